#pragma once
// What a host has, or lacks, of one fabric.

#include <string>

namespace squall::fabric {

/// One row of `squall info`.
struct Device {
  std::string provider;  ///< the string that selects it
  std::string device;    ///< "lo", "mlx5_0", "memory"
  std::string address;
  std::string speed;  ///< "100 Gb/s", "memory", "loopback", "unknown"
  bool usable = false;
  std::string reason;  ///< why not, when it is not usable; what it is good for when it is
};

}  // namespace squall::fabric
