#include "providers/catalog/catalog.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace squall::catalog {
namespace {

fabric::Options named(std::string name) {
  fabric::Options options;
  options.name = std::move(name);
  options.node_name = "a";
  options.local_address = "127.0.0.1";
  return options;
}

TEST_CASE("a string opens the fabric of that name") {
  for (const char* name : {"shm", "tcp"}) {
    const auto opened = open(named(name));
    CAPTURE(name);
    REQUIRE(opened);
    CHECK((*opened)->name() == name);
    CHECK_FALSE((*opened)->address().empty());
  }
}

TEST_CASE("an unknown string is refused with the nearest name") {
  const auto opened = open(named("tpc"));
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::invalid);
  CHECK(opened.error().remedy.find("did you mean tcp?") == 0);
  CHECK_FALSE(open_candidates(named("tpc")));
}

TEST_CASE("auto alone opens nothing, and as candidates opens shm first and tcp last") {
  CHECK_FALSE(open(named("auto")));
  const auto opened = open_candidates(named("auto"));
  REQUIRE(opened);
  REQUIRE(opened->size() >= 2);
  CHECK(opened->front()->name() == "shm");
  CHECK(opened->back()->name() == "tcp");
}

TEST_CASE("a libfabric provider that is not here is unavailable, not invalid") {
  const auto opened = open(named("ofi:no-such-provider"));
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::unavailable);
}

TEST_CASE("the survey has a row for every fabric, with a reason where it is not usable") {
  const auto devices = survey();
  for (const char* provider : {"shm", "tcp", "verbs", "ofi:NAME"}) {
    CAPTURE(provider);
    CHECK(std::ranges::any_of(devices, [&](const auto& row) { return row.provider == provider; }));
  }
  for (const fabric::Device& row : devices) {
    CAPTURE(row.provider);
    if (!row.usable) CHECK_FALSE(row.reason.empty());
  }
  // And what it calls usable without hardware opens.
  for (const char* provider : {"shm", "tcp"})
    CHECK(std::ranges::any_of(
        devices, [&](const auto& row) { return row.provider == provider && row.usable; }));
}

}  // namespace
}  // namespace squall::catalog
