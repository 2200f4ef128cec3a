#include "bench/membership/report.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace squall::bench {
namespace {

Tally example() {
  Tally tally;
  tally.fabric = "shm";
  tally.timing = membership::safe;
  tally.outcomes = {{0, 4ms, 9ms, 1ms}, {1, 1ms, 2ms, 500us}, {2, 2ms, 3ms, 2ms}};
  return tally;
}

TEST_CASE("each member goes in turn, but never rank 0 of two, whose other half cannot go on") {
  for (unsigned number = 0; number < 6; ++number) {
    CHECK(victim_of(Event::kill, number, 3) == number % 3);
    CHECK(victim_of(Event::kill, number, 2) == 1);
    CHECK(victim_of(Event::stop, number, 2) == 1);
    CHECK(victim_of(Event::leave, number, 2) == number % 2);
  }
}

TEST_CASE("figures are of all events, and apart for the coordinator") {
  MembershipOptions options;
  options.fabric = "auto";
  const auto json = nlohmann::json::parse(as_json(options, example()));
  CHECK(json.at("case") == "membership kill auto 3x");
  CHECK(json.at("event") == "kill");
  CHECK(json.at("fabric") == "shm");
  CHECK(json.at("timeout_ms") == 200);
  CHECK(json.at("count") == 3);
  CHECK(json.at("failed") == 0);
  CHECK(json.at("latency_us").at("p50") == 2000);
  CHECK(json.at("latency_us").at("p99") == 4000);
  CHECK(json.at("latency_us").at("max") == 4000);
  CHECK(json.at("coordinator_latency_us").at("p50") == 4000);
  CHECK(json.at("another_latency_us").at("p50") == 1000);
  CHECK(json.at("another_latency_us").at("max") == 2000);
  CHECK(json.at("resumed_us").at("max") == 9000);
  CHECK(json.at("limits").at(0).at("value") == 1000);
  CHECK(json.at("ratio") == 2);
  CHECK_FALSE(json.contains("beyond_timeout_us"));
}

TEST_CASE("what a stopped member took is also told beyond the timeout, earlier or later") {
  MembershipOptions options;
  options.event = Event::stop;
  options.timeout_ms = 2;
  const auto json = nlohmann::json::parse(as_json(options, example()));
  CHECK(json.at("beyond_timeout_us").at("p50") == 0);
  CHECK(json.at("beyond_timeout_us").at("max") == 2000);
  CHECK(json.at("limits").at(0).at("value") == 2000);
  CHECK(json.at("ratio") == 1);
  options.timeout_ms = 5;
  CHECK(nlohmann::json::parse(as_json(options, example())).at("beyond_timeout_us").at("max") ==
        -1000);
  CHECK(for_people(options, example()).find("less the timeout") != std::string::npos);
}

TEST_CASE("the effective times are those that the members had") {
  const auto json = nlohmann::json::parse(as_json({}, example()));
  CHECK(json.at("heartbeat_ms") == 200);
  CHECK(json.at("without_majority_ms") == 6000);
  CHECK(for_people({}, example()).find("heartbeats every 200 ms") != std::string::npos);
}

TEST_CASE("of who leaves it is told when it was out; no limit stands beside it") {
  MembershipOptions options;
  options.event = Event::leave;
  const auto json = nlohmann::json::parse(as_json(options, example()));
  CHECK(json.at("case") == "membership leave shm 3x");
  CHECK(json.at("latency_us").at("p50") == 2000);
  CHECK(json.at("left_us").at("p50") == 1000);
  CHECK(json.at("limits").empty());
  CHECK(json.at("ratio").is_null());
  CHECK(for_people(options, example()).find("from the leaver's request") != std::string::npos);
}

TEST_CASE("of who joins the first delivery is the figure, and the bars stand beside it") {
  MembershipOptions options;
  options.event = Event::join;
  Tally tally = example();
  for (Outcome& outcome : tally.outcomes) {
    outcome.victim = 3;
    outcome.joined = 20ms;
    outcome.pause = 11ms;
  }
  const auto json = nlohmann::json::parse(as_json(options, tally));
  CHECK(json.at("case") == "membership join shm 3x");
  CHECK(json.at("latency_us").at("p50") == 20000);
  CHECK(json.at("view_us").at("p50") == 2000);
  CHECK(json.at("started_us").at("p50") == 1000);
  CHECK(json.at("pause_us").at("p99") == 11000);
  CHECK(json.at("coordinator_latency_us").at("p50").is_null());
  CHECK(json.at("bars").at(0).at("pass") == true);
  CHECK(json.at("bars").at(1).at("pass") == false);
  const std::string text = for_people(options, tally);
  CHECK(text.find("from the joiner's request") != std::string::npos);
  CHECK(text.find("at most 10 ms: missed") != std::string::npos);
  options.warm = true;
  CHECK(name_of(options) == "membership join shm 3x warm");
  CHECK(for_people(options, tally).find("has looked for fabrics") != std::string::npos);
  options.members = 4;
  CHECK(nlohmann::json::parse(as_json(options, tally)).at("bars").empty());
}

TEST_CASE("events that failed are told, and give no times") {
  Tally tally;
  tally.fabric = "shm";
  tally.failed = 2;
  const auto json = nlohmann::json::parse(as_json({}, tally));
  CHECK(json.at("failed") == 2);
  CHECK(json.at("count") == 0);
  CHECK(json.at("latency_us").at("p50").is_null());
  CHECK(json.at("ratio") == 0);
  CHECK(for_people({}, tally).find("2 of 2 events") != std::string::npos);
  CHECK(for_people({}, example()).find("of 3 events") == std::string::npos);
}

}  // namespace
}  // namespace squall::bench
