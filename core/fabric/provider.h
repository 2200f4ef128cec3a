#pragma once
// How fabrics come to be. `providers/catalog` maps the configured string to one of these.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/fabric/device.h"
#include "core/fabric/fabric.h"

namespace squall::fabric {

/// What a fabric is opened with.
struct Options {
  std::string name;       ///< what the user configured: "shm", "tcp", "ofi:NAME", "verbs"
  std::string node_name;  ///< for people: thread names, logs
  /// The local address to bind (IPv4 or IPv6, no port); empty: loopback. Must be on this host.
  std::string local_address;
  /// What it will have to do at most, so that what it cannot is said at once; 0: not known.
  std::size_t peers = 0;
  std::uint64_t object_bytes = 0;  ///< memory of objects, sent and coming
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
