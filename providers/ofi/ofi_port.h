#pragma once
// The port behind a device: state, speed, NUMA node. From what libfabric says of it (fi_nic(3))
// and, where it says nothing, from the kernel: an interface's flags (netdevice(7)), and files of
// /sys. The kernel's answers are arguments, so that tests make them up. Any thread.

#include <rdma/fabric.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/device.h"

namespace squall::ofi {

/// A network interface's address.
struct Interface {
  std::string name;
  std::string address;  ///< IPv4 or IPv6, no port
  unsigned index = 0;   ///< if_nametoindex(3)
  fabric::PortState port{};
  std::string why;  ///< it is down
};

/// What the kernel says.
struct Host {
  std::vector<Interface> interfaces;  ///< one an address
  std::filesystem::path sys = "/sys";
  static Host here();
};

struct Port {
  fabric::PortState state{};
  std::string speed = "unknown";
  int numa_node = -1;
  std::string why{};  ///< it is down: "port 1: DOWN, Polling"
};

/// Of an interface, by its flags (SIOCGIFFLAGS).
Port port_of_flags(unsigned flags);
/// With its speed and its place.
Port interface_port(const Interface& interface, const Host& host);
/// Of the device that `info` names.
Port port_of(const fi_info& info, const Host& host);
/// Of an RDMA device, whatever libfabric thinks of it: down if all its ports are.
Port rdma_port(const std::string& device, const Host& host);
/// By name; empty without any.
std::vector<std::string> rdma_devices(const Host& host);

/// Code::unavailable: what was asked for, the state of the port behind it, and what to do.
Error port_is_down(std::string_view wanted, std::string_view device, std::string_view why);

/// The first of `list` with an address, or the first; but none whose port is down: if all are,
/// Code::unavailable says so. Points into `list`.
Result<const fi_info*> choose_device(std::string_view provider, const fi_info* list,
                                     const Host& host);

}  // namespace squall::ofi
