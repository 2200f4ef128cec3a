#pragma once
// What a host has, or lacks, of one fabric.

#include <cstdint>
#include <string>

namespace squall::fabric {

/// Whether a device's port can carry anything. `unknown`: it has none (memory), or nobody says.
enum class PortState : std::uint8_t { unknown, up, down };

/// One row of `squall info`.
struct Device {
  std::string provider;  ///< the string that selects it
  std::string device;    ///< "lo", "mlx5_0", "memory"
  std::string address;
  PortState port{};
  std::string speed;   ///< "100 Gb/s", "memory", "loopback", "unknown"
  int numa_node = -1;  ///< that it is attached to; -1: the host does not say
  bool usable = false;
  std::string reason;  ///< why not, when it is not usable; what it is good for when it is
};

}  // namespace squall::fabric
