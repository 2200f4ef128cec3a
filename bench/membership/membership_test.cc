// `squall bench membership` as programs read it: the real binary, few events. Figures only have to
// be there; that nobody was lost but who was taken is checked by the command itself. So members are
// patient here: a busy machine stops one for longer than the usual timeout.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/launch/ran.h"

namespace squall::bench {
namespace {

nlohmann::json run_in_json(const std::string& words) {
  const Ran ran = run_tool("bench membership " + words + " --json");
  REQUIRE_MESSAGE(ran.status == 0, ran.output);
  return nlohmann::json::parse(ran.output);
}

TEST_CASE("whoever is killed, the others come to the next view and go on in it") {
  for (const std::string fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    const auto row =
        run_in_json("--event kill --count 3 --failure-timeout safe --fabric " + fabric);
    CHECK(row.at("event") == "kill");
    CHECK(row.at("fabric") == fabric);
    CHECK(row.at("members") == 3);
    CHECK(row.at("count") == 3);
    CHECK(row.at("failed") == 0);
    CHECK(row.at("timeout_ms") == 2000);
    const auto latency = row.at("latency_us");
    CHECK(latency.at("p50") > 0);
    CHECK(latency.at("p50") <= latency.at("p99"));
    CHECK(latency.at("p99") <= latency.at("max"));
    CHECK(row.at("coordinator_latency_us").at("p50") > 0);
    CHECK(row.at("another_latency_us").at("max") <= latency.at("max"));
    CHECK(row.at("resumed_us").at("max") >= latency.at("max"));
  }
}

TEST_CASE("whoever is stopped, the others go on no sooner than its silence was long enough") {
  for (const std::string fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    const auto row =
        run_in_json("--event stop --count 3 --failure-timeout 1000 --fabric " + fabric);
    CHECK(row.at("event") == "stop");
    CHECK(row.at("count") == 3);
    CHECK(row.at("failed") == 0);
    CHECK(row.at("timeout_ms") == 1000);
    // Silence counts from the last word, which may have been a few heartbeats before.
    CHECK(row.at("latency_us").at("p50") > 500e3);
    CHECK(row.at("beyond_timeout_us").at("max") ==
          doctest::Approx(row.at("latency_us").at("max").get<double>() - 1e6));
  }
}

TEST_CASE("whoever leaves, the others go on, and it is out") {
  for (const std::string fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    const auto row =
        run_in_json("--event leave --count 3 --failure-timeout safe --fabric " + fabric);
    CHECK(row.at("event") == "leave");
    CHECK(row.at("count") == 3);
    CHECK(row.at("failed") == 0);
    CHECK(row.at("timeout_ms") == 2000);
    CHECK(row.at("heartbeat_ms") == 200);
    CHECK(row.at("latency_us").at("p50") > 0);
    CHECK(row.at("left_us").at("p50") > 0);
  }
  const auto two = run_in_json("--event leave --members 2 --count 2 --failure-timeout safe");
  CHECK(two.at("coordinator_latency_us").at("p50") > 0);
  CHECK(two.at("another_latency_us").at("p50") > 0);
}

TEST_CASE("one more joins, and everybody goes on with it") {
  for (const std::string fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    const auto row =
        run_in_json("--event join --count 3 --failure-timeout safe --fabric " + fabric);
    CHECK(row.at("event") == "join");
    CHECK(row.at("members") == 3);
    CHECK(row.at("count") == 3);
    CHECK(row.at("failed") == 0);
    CHECK(row.at("latency_us").at("p50") > 0);
    CHECK(row.at("started_us").at("p50") <= row.at("latency_us").at("p50"));
    CHECK(row.at("resumed_us").at("p50") >= row.at("view_us").at("p50"));
    CHECK(row.at("pause_us").at("p50") > 0);
    CHECK(row.at("bars").size() == 2);
  }
}

TEST_CASE("of two members the second is killed, and the first goes on alone") {
  const auto row = run_in_json("--event kill --members 2 --count 3 --failure-timeout safe");
  CHECK(row.at("count") == 3);
  CHECK(row.at("coordinator_latency_us").at("p50").is_null());
}

TEST_CASE("what cannot be measured is an error with its reason") {
  const Ran fabric = run_tool("bench membership --event kill --count 1 --fabric nonsense");
  CHECK(fabric.status == 1);
  CHECK_MESSAGE(fabric.output.find("nonsense") != std::string::npos, fabric.output);
  CHECK(run_tool("bench membership --event explode").status == 2);
}

}  // namespace
}  // namespace squall::bench
