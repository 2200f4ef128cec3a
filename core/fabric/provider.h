#pragma once
// How fabrics come to be. `providers/catalog` maps the configured string to one of these.

#include <memory>
#include <string>
#include <vector>

#include "core/fabric/fabric.h"

namespace squall::fabric {

/// What a fabric is opened with.
struct Options {
  std::string name;       ///< what the user configured: "shm", "tcp", "ofi:NAME", "verbs"
  std::string node_name;  ///< for people: thread names, logs
  /// The local address to bind (IPv4 or IPv6, no port); empty: loopback. Must be on this host.
  std::string local_address;
};

/// One row of `squall info`.
struct Device {
  std::string provider;  ///< the string that selects it
  std::string device;    ///< "lo", "mlx5_0", "memory"
  std::string address;
  std::string speed;  ///< "100 Gb/s", "memory", "loopback", "unknown"
  bool usable = false;
  std::string reason;  ///< why not, when it is not usable; what it is good for when it is
};

class Provider {
 public:
  virtual ~Provider() = default;
  /// What this host has of it, and why what is missing is missing. Never fails.
  virtual std::vector<Device> survey() const = 0;
  /// Code::unavailable with the reason and what there is instead.
  virtual Result<std::unique_ptr<Fabric>> open(const Options& options) const = 0;
};

}  // namespace squall::fabric
