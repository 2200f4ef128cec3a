// `squall bench` as programs read it: the real binary, short windows. Figures only have to be
// there.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/launch/ran.h"

namespace squall::bench {
namespace {

TEST_CASE("a rate is above zero for every way to send, with its limits beside it") {
  for (const std::string words :
       {"throughput --members 2 --size 64", "throughput --members 3 --size 0 --senders all",
        "throughput --members 2 --size 100000 --fabric tcp",
        "throughput --members 3 --size 16 --pin 0", "throughput --members 2 --stack fifo"}) {
    CAPTURE(words);
    const Ran ran = run_tool("bench " + words + " --seconds 0.2 --json");
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
    const auto row = nlohmann::json::parse(ran.output);
    CHECK(row.at("messages_per_s") > 0);
    CHECK(row.at("limits").size() >= 2);
    CHECK(row.at("rss_bytes") > 0);
    CHECK(row.at("cpu_s") > 0);
    if (row.at("size_bytes") > 0) CHECK(row.at("ratio") > 0);
  }
}

TEST_CASE("a latency has a median below its maximum") {
  for (const std::string fabric : {"shm", "tcp"}) {
    const Ran ran = run_tool("bench latency --members 2 --seconds 0.2 --json --fabric " + fabric);
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
    const auto latency = nlohmann::json::parse(ran.output).at("latency_us");
    CHECK(latency.at("p50") > 0);
    CHECK(latency.at("p50") <= latency.at("p99"));
    CHECK(latency.at("p99") <= latency.at("max"));
  }
}

TEST_CASE("what cannot be measured is an error with its reason") {
  const Ran large = run_tool("bench throughput --size 1000000 --seconds 0.05");
  CHECK(large.status == 1);
  CHECK_MESSAGE(large.output.find("--ring") != std::string::npos, large.output);
  const Ran stack = run_tool("bench throughput --stack nonsense --seconds 0.05");
  CHECK(stack.status == 1);
  CHECK_MESSAGE(stack.output.find("nonsense") != std::string::npos, stack.output);
  CHECK(run_tool("bench throughput --pin 100000").status == 2);
  CHECK(run_tool("bench latency --senders all").status == 2);
}

}  // namespace
}  // namespace squall::bench
