// `squall bench objects` with the real binary and short windows.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/launch/ran.h"

namespace squall::bench {
namespace {

Ran run(const std::string& words) {
  return run_tool("bench objects " + words);
}

TEST_CASE("objects go through, and their rate stands beside its limits") {
  for (const char* fabric : {"shm", "tcp"}) {
    const Ran ran = run(
        std::string("--seconds 0.3 --size 300000 --members 3 --beside --json --fabric ") + fabric);
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
    const auto line = nlohmann::json::parse(ran.output);
    CHECK(line.at("case") == "objects");
    CHECK(line.at("fabric") == fabric);
    CHECK(line.at("members") == 3);
    CHECK(line.at("size_bytes") == 300'000);
    CHECK(line.at("bytes_per_s") > 1e6);
    CHECK(line.at("limits").size() > 0);
    CHECK(line.at("ratio") > 0);
    CHECK(line.at("beside_us").at("idle_p50") > 0);
    CHECK(line.at("beside_us").at("p50") > 0);
  }
}

TEST_CASE("for people it says who has what, and what it was held against") {
  const Ran ran = run("--seconds 0.3 --size 1000000 --in-place --fill");
  REQUIRE_MESSAGE(ran.status == 0, ran.output);
  for (const char* words : {"objects of 1000000 B over shm, 2 members", "read in place",
                            "all bytes written by the sender", "memcpy"})
    CHECK_MESSAGE(ran.output.find(words) != std::string::npos, ran.output);
}

TEST_CASE("what cannot be measured is refused with what may be") {
  for (const char* words : {"--schedule circle", "--block 1000", "--members 0", "--size -1"}) {
    CAPTURE(words);
    const Ran ran = run(words);
    CHECK_MESSAGE(ran.status == 2, ran.output);
    CHECK_FALSE(ran.output.empty());
  }
}

}  // namespace
}  // namespace squall::bench
