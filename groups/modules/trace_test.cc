// What a trace holds, and what becomes of one that cannot be written any more.

#include "groups/modules/trace.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "groups/modules/stage_test_kit.h"

namespace squall::modules {
namespace {

using namespace std::chrono_literals;

std::string logged;

/// Where a test may write.
std::string scratch(const std::string& name) {
  const char* folder = std::getenv("TEST_TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/" + name;
}

Rounds step(Trace& trace, mirror::Table& table, Time now, const Rounds& below) {
  Rounds frontier(below.size());
  multicast::StageOutput output{frontier};
  trace.step({now, below, below, below, below}, table, output);
  return frontier;
}

struct Bench {
  Bench()
      : network(1),
        table(mirror::Table::create(network.node(0), fabric::RegionId{1}, {}, 0, network.peers())
                  .value()) {}
  mirror::FakeNetwork network;
  std::unique_ptr<mirror::Table> table;
};

TEST_CASE("trace: turns in which something moved are events of a Chrome trace, across views") {
  Bench bench;
  const std::string path = scratch("trace.json");
  {
    const auto file = TraceFile::create(path).value();
    Trace first({2, 1, {0, 1}, ViewId{4}}, file);
    CHECK(step(first, *bench.table, Time{} + 1500ns, {3, 0}) == Rounds{3, 0});
    CHECK(step(first, *bench.table, Time{} + 2us, {3, 0}) == Rounds{3, 0});
    Trace second({1, 0, {0}, ViewId{5}}, file);
    step(second, *bench.table, Time{} + 7ms, {1});
  }
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  // As the format allows, the array is not closed: here the last comma is.
  REQUIRE(text.ends_with(",\n"));
  text.replace(text.size() - 2, 1, "]");
  const auto events = nlohmann::json::parse(text);
  REQUIRE(events.size() == 8);
  CHECK(events[0].at("args").at("name") == "rank 1 in view 4");
  CHECK(events[1].at("name") == "received");
  CHECK(events[1].at("ph") == "C");
  CHECK(events[1].at("pid") == 1);
  CHECK(events[1].at("ts") == 1.5);
  CHECK(events[1].at("args").at("sender 0") == 3);
  CHECK(events[1].at("args").at("sender 1") == 0);
  CHECK(events[3].at("name") == "passed");
  CHECK(events[4].at("args").at("name") == "rank 0 in view 5");
  CHECK(events[7].at("ts") == 7000.0);
}

TEST_CASE("trace: a full disk is said once, and the messages pass all the same") {
  Bench bench;
  logged.clear();
  set_log_sink([](Level, std::string_view line) { logged += std::string(line) + "\n"; });
  const auto file = TraceFile::create("/dev/full").value();
  Trace trace({2, 1, {0, 1}, ViewId{1}}, file);
  for (Round round = 1; round < 3000; ++round)
    CHECK(step(trace, *bench.table, Time{} + 1us, {round, 0}) == Rounds{round, 0});
  CHECK(file->failed());
  set_log_sink(nullptr);
  CHECK(logged.find("/dev/full ends here: No space left on device") != std::string::npos);
  CHECK(std::ranges::count(logged, '\n') == 1);
}

TEST_CASE("trace: a file that cannot be opened is an error with its name") {
  const auto file = TraceFile::create(scratch("no/such/folder"));
  REQUIRE_FALSE(file);
  CHECK(file.error().what.find("no/such/folder cannot be written") != std::string::npos);
}

}  // namespace
}  // namespace squall::modules
