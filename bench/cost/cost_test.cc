// `squall bench cost` with the real binary and short windows.
#include "bench/cost/cost.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/launch/ran.h"
#include "core/base/time.h"

namespace squall::bench {
namespace {

Ran run(const std::string& words) {
  return run_tool("bench cost " + words);
}

TEST_CASE("a link is measured, and a line fitted, beside what auto has without it") {
  for (const char* fabric : {"shm", "tcp", "'ofi:tcp;ofi_rxm'"}) {
    const Ran ran = run(std::string("--seconds 0.5 --json --fabric ") + fabric);
    REQUIRE_MESSAGE(ran.status == 0, ran.output);
    const auto line = nlohmann::json::parse(ran.output);
    CHECK(line.at("case") == "cost");
    CHECK(line.at("trips").size() >= 4);
    for (const auto& trip : line.at("trips")) CHECK(trip.at("one_way_us") > 0);
    CHECK(line.at("latency_us") >= 0);
    CHECK(line.at("bytes_per_s") > 1e7);
    CHECK(line.at("auto").at("bytes_per_s") > 1e7);
  }
}

TEST_CASE("for people it says what to configure, if it can tell") {
  const Ran ran = run("--seconds 0.3");
  REQUIRE_MESSAGE(ran.status == 0, ran.output);
  for (const char* words : {"one way over tcp", "the line", "auto without it"})
    CHECK_MESSAGE(ran.output.find(words) != std::string::npos, ran.output);
  const bool explained = ran.output.find("fabric.link_latency_ns = ") != std::string::npos &&
                         ran.output.find("fabric.link_bytes_per_second = ") != std::string::npos;
  const bool too_busy = ran.output.find("no line: measure again") != std::string::npos;
  CHECK_MESSAGE(explained != too_busy, ran.output);
}

TEST_CASE("what the line does not explain is no advice") {
  OneWay measured;
  measured.trips = {{0, 6e-6}, {1 << 20, 500e-6}};
  measured.usual = {.latency = 6us, .bytes_per_second = 2e9};
  Line line{.latency_s = 0, .bytes_per_second = 2e9, .worst = 0.1};
  const std::string advice = cost_text({}, measured, line);
  CHECK_MESSAGE(advice.find("link_latency_ns = 1, fabric.link_bytes_per_second = 2000000000") !=
                    std::string::npos,
                advice);
  line.worst = 0.6;
  const std::string none = cost_text({}, measured, line);
  CHECK_MESSAGE(none.find("no line: measure again") != std::string::npos, none);
  CHECK(none.find("link_latency_ns") == std::string::npos);
}

TEST_CASE("what cannot be measured is refused with the reason") {
  for (const char* words : {"--fabric auto", "--fabric shn", "--fabric ''", "--seconds 0",
                            "--seconds nan", "--seconds -1", "--members 3"}) {
    CAPTURE(words);
    const Ran ran = run(words);
    CHECK_MESSAGE(ran.status == 2, ran.output);
    CHECK_FALSE(ran.output.empty());
  }
  const Ran missing = run("--fabric ofi:warp");
  CHECK_MESSAGE(missing.status == 1, missing.output);
  CHECK_MESSAGE(missing.output.find("warp") != std::string::npos, missing.output);
}

}  // namespace
}  // namespace squall::bench
