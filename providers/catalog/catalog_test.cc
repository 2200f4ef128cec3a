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

TEST_CASE("a mix opens all of its parts, or none") {
  const auto opened = open(named("shm+tcp"));
  REQUIRE(opened);
  CHECK((*opened)->name() == "shm+tcp");
  CHECK((*opened)->capabilities().lends);
  CHECK_FALSE((*opened)->capabilities().maps);
  const auto missing = open(named("shm+ofi:no-such-provider"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::unavailable);
}

TEST_CASE("the candidates of auto are announced one by one and as their mix, and one is kept") {
  for (const std::string_view name : {"shm", "tcp", "auto"}) {
    auto candidates = open_candidates(named("auto"));
    REQUIRE(candidates);
    const auto all = announced(*candidates, "here");
    CHECK(all.size() == candidates->size() + 1);
    const auto address = std::ranges::find(all, name, &fabric::FabricAddress::provider);
    REQUIRE(address != all.end());
    const auto kept = keep(std::move(*candidates), name, "here");
    REQUIRE(kept);
    CHECK((*kept)->name() == name);
    CHECK((*kept)->address() == address->address);
  }
  auto one = open_candidates(named("shm"));
  REQUIRE(one);
  CHECK(announced(*one, "here").size() == 1);
  CHECK_FALSE(keep(std::move(*one), "auto", "here"));
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
