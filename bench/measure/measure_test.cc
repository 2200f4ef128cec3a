#include <doctest/doctest.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "bench/measure/beside.h"
#include "bench/measure/report.h"
#include "bench/measure/run.h"
#include "bench/measure/suite.h"

namespace squall::bench {
namespace {

Row example() {
  Row row;
  row.asked.fabric = "auto";
  row.ours.fabric = "shm";
  row.ours.messages_per_s = 10e6;
  row.ours.bytes_per_s = 640e6;
  row.ours.rss_bytes = 5 << 20;
  row.ours.cpu_s = 1.5;
  row.limits = {{"raw ring", 40e6, "messages/s"}, {"memcpy", 1280e6, "bytes/s"}};
  row.ratio = ratio_of(row.ours, row.limits.front());
  return row;
}

TEST_CASE("members get a core each when there are enough, all the one asked for, or none") {
  Case asked;
  asked.members = 2;
  CHECK(core_for(asked, 1, {0, 3}) == 3);
  asked.members = 3;
  CHECK_FALSE(core_for(asked, 0, {0, 3}));
  asked.by_turns = true;
  CHECK(core_for(asked, 1, {0, 3}) == 3);
  CHECK(core_for(asked, 2, {0, 3}) == 0);
  CHECK_FALSE(core_for(asked, 2, {}));
  asked.pin = 3;
  CHECK(core_for(asked, 2, {0, 3}) == 3);
}

TEST_CASE("a ratio is in the unit of its limit") {
  const Row row = example();
  CHECK(row.ratio == doctest::Approx(0.25));
  CHECK(ratio_of(row.ours, row.limits[1]) == doctest::Approx(0.5));
  Measured slow;
  slow.latency_p50 = 3us;
  CHECK(ratio_of(slow, {"one way", 0.5, "us"}) == doctest::Approx(6));
  CHECK(ratio_of(slow, {"nothing", 0, "us"}) == 0);
}

TEST_CASE("of limits before and after the mean counts") {
  const auto means =
      between({{"a", 10, "us"}, {"b", 2, "bytes/s"}}, {{"a", 30, "us"}, {"b", 4, "bytes/s"}});
  REQUIRE(means.size() == 2);
  CHECK(means[0].value == 20);
  CHECK(means[1].value == 3);
}

TEST_CASE("a line of JSON has every key that programs read") {
  Row row = example();
  const auto json = nlohmann::json::parse(as_json(row));
  CHECK(as_json(row).find('\n') == std::string::npos);
  CHECK(json.at("case") == "throughput auto 3x 64B one");
  CHECK(json.at("fabric") == "shm");
  CHECK(json.at("members") == 3);
  CHECK(json.at("size_bytes") == 64);
  CHECK(json.at("senders") == "one");
  CHECK(json.at("stack") == "total | stable");
  CHECK(json.at("messages_per_s") == 10e6);
  CHECK(json.at("bytes_per_s") == 640e6);
  CHECK(json.at("latency_us").at("p50").is_null());
  CHECK(json.at("limits").at(0).at("what") == "raw ring");
  CHECK(json.at("limits").at(0).at("value") == 40e6);
  CHECK(json.at("limits").at(0).at("unit") == "messages/s");
  CHECK(json.at("ratio") == doctest::Approx(0.25));
  CHECK(json.at("rss_bytes") == 5 << 20);
  CHECK(json.at("cpu_s") == 1.5);

  row.asked.figure = Figure::latency;
  row.ours.latency_p50 = 1500ns;
  row.ours.latency_p99 = 2us;
  row.ours.latency_max = 1ms;
  const auto latency = nlohmann::json::parse(as_json(row)).at("latency_us");
  CHECK(latency.at("p50") == 1.5);
  CHECK(latency.at("p99") == 2);
  CHECK(latency.at("max") == 1000);
}

TEST_CASE("figures are short, with their unit") {
  CHECK(in_unit(12.345e6, "messages/s") == "12.35 M/s");
  CHECK(in_unit(4.5e9, "bytes/s") == "4.50 GB/s");
  CHECK(in_unit(950, "messages/s") == "950 /s");
  CHECK(in_unit(0.062, "us") == "0.06 us");
  CHECK(in_unit(39.44, "us") == "39.4 us");
}

TEST_CASE("a bar is the median of its runs, whatever one noisy run says") {
  const Bar bar = at_least("", Spread({0.9, 0.1, 0.8}), 0.8, "x");
  CHECK(bar.reached());
  CHECK(bar.measured == "0.80");
  CHECK(bar.spread == "0.10 to 0.90");
  CHECK_FALSE(at_most("", Spread({9, 8.5, 1}), 8, "x").reached());
}

TEST_CASE("a bar is reached from the right side only") {
  CHECK(at_least("", 0.4, 0.4, "x").reached());
  CHECK_FALSE(at_least("", 0.39, 0.4, "x").reached());
  CHECK(at_most("", 7.9, 8, "x").reached());
  CHECK_FALSE(at_most("", 8.1, 8, "x").reached());
  CHECK_FALSE(at_least("", 0, 0.4, "x").reached());
  CHECK_FALSE(at_most("", 0, 8, "x").reached());
  CHECK_FALSE(at_least("", 0.0 / 1.0, 0.4, "x").reached());
  CHECK(line_of(at_least("shm", 20e6, 15e6, "messages/s")).find("pass") != std::string::npos);
  CHECK(line_of(at_least("shm", 2e6, 15e6, "messages/s")).find("MISSED") != std::string::npos);
}

}  // namespace
}  // namespace squall::bench
