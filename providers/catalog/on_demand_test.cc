// Its own program: a library is loaded into a process once.

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "providers/catalog/catalog.h"

namespace squall::catalog {
namespace {

bool has_libfabric() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("/libfabric.so.1") != std::string::npos) return true;
  return false;
}

fabric::Options named(std::string name) {
  fabric::Options options;
  options.name = std::move(name);
  options.node_name = "a";
  options.local_address = "127.0.0.1";
  return options;
}

TEST_CASE("who stays on shared memory loads no libfabric") {
  CHECK_FALSE(has_libfabric());
  REQUIRE(open(named("shm")));
  CHECK_FALSE(has_libfabric());
  REQUIRE(open(named("tcp")));
  CHECK(has_libfabric());
}

}  // namespace
}  // namespace squall::catalog
