#include "bench/cli/info.h"

#include <doctest/doctest.h>

namespace squall::cli {
namespace {

TEST_CASE("the table aligns its columns and says why a fabric is missing") {
  using fabric::PortState;
  const std::string text = fabrics_table({
      {"shm", "memory", "this host", PortState::unknown, "memory", -1, true, ""},
      {"verbs", "mlx5_0", "10.0.0.1", PortState::up, "100 Gb/s", 1, true, "connected endpoints"},
      {"verbs", "mlx5_1", "", PortState::down, "unknown", 0, false,
       "its port is down: port 1: DOWN, Polling"},
  });
  CHECK(text ==
        "fabric  device  address    port  speed     numa  usable\n"
        "shm     memory  this host  -     memory    -     yes\n"
        "verbs   mlx5_0  10.0.0.1   up    100 Gb/s  1     yes: connected endpoints\n"
        "verbs   mlx5_1             down  unknown   0     no: its port is down: port 1: DOWN, "
        "Polling\n");
}

}  // namespace
}  // namespace squall::cli
