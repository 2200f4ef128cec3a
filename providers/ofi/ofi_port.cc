#include "providers/ofi/ofi_port.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "providers/ofi/ofi_survey.h"

namespace squall::ofi {
namespace {

using fabric::PortState;
namespace fs = std::filesystem;

// IFF_LOWER_UP of netdevice(7), which only linux/if.h has. It follows the carrier at once, where
// IFF_RUNNING and operstate may take a second.
constexpr unsigned lower_up = 1U << 16;

/// The first line; nothing if the kernel does not say.
std::optional<std::string> read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<double> read_number(const fs::path& path) {
  const auto line = read_line(path);
  if (!line) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(line->c_str(), &end);
  if (end == line->c_str()) return std::nullopt;
  return number;
}

std::string gigabits(double bits_per_second) {
  return fmt::format("{:g} Gb/s", bits_per_second / 1e9);
}

/// From a folder of /sys/class or /sys/bus, through its device, upwards to the one on a bus.
int numa_node(const fs::path& device, const fs::path& sys) {
  std::error_code failed;
  const fs::path top = fs::canonical(sys, failed);
  if (failed) return -1;
  fs::path at = fs::canonical(device, failed);
  for (; !failed && at != top && at.has_relative_path(); at = at.parent_path())
    if (const auto node = read_number(at / "numa_node")) return static_cast<int>(*node);
  return -1;
}

/// "1: DOWN" without the number.
std::string word(const std::string& line) {
  const std::size_t colon = line.find(": ");
  return colon == std::string::npos ? line : line.substr(colon + 2);
}

/// An alias ("eth0:1") is its interface's.
std::string_view without_alias(std::string_view name) {
  return name.substr(0, name.find(':'));
}

const Interface* find(const Host& host, std::string_view name) {
  const auto found = std::ranges::find_if(host.interfaces, [&](const Interface& interface) {
    return without_alias(interface.name) == without_alias(name);
  });
  return found == host.interfaces.end() ? nullptr : &*found;
}

}  // namespace

Port port_of_flags(unsigned flags) {
  if ((flags & IFF_UP) == 0) return {.state = PortState::down, .why = "not up"};
  if ((flags & lower_up) == 0) return {.state = PortState::down, .why = "no carrier"};
  return {.state = PortState::up};
}

Port interface_port(const Interface& interface, const Host& host) {
  Port port{.state = interface.port, .why = interface.why};
  const fs::path files = host.sys / "class/net" / without_alias(interface.name);
  // /sys may show another network namespace's interfaces, which have the same names.
  if (read_number(files / "ifindex").value_or(-1) != interface.index) return port;
  const double megabits = read_number(files / "speed").value_or(-1);
  if (megabits > 0) port.speed = gigabits(megabits * 1e6);
  port.numa_node = numa_node(files / "device", host.sys);
  return port;
}

Host Host::here() {
  Host host;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return host;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    std::string address = ip_text(at->ifa_addr);
    if (address.empty()) continue;
    Port port = port_of_flags(at->ifa_flags);
    const std::string name(without_alias(at->ifa_name));
    host.interfaces.push_back({.name = at->ifa_name,
                               .address = std::move(address),
                               .index = if_nametoindex(name.c_str()),
                               .port = port.state,
                               .why = std::move(port.why)});
  }
  freeifaddrs(list);
  return host;
}

Port rdma_port(const std::string& device, const Host& host) {
  const fs::path files = host.sys / "class/infiniband" / device;
  Port port{.numa_node = numa_node(files / "device", host.sys)};
  std::vector<std::string> states;
  for (int number = 1;; ++number) {
    const fs::path one = files / "ports" / std::to_string(number);
    const auto state = read_line(one / "state");
    if (!state) break;
    if (word(*state) == "ACTIVE") {
      const double gigabits_per_second = read_number(one / "rate").value_or(0);
      if (gigabits_per_second > 0) port.speed = gigabits(gigabits_per_second * 1e9);
      port.state = PortState::up;
      return port;
    }
    states.push_back(fmt::format("port {}: {}, {}", number, word(*state),
                                 word(read_line(one / "phys_state").value_or("unknown"))));
  }
  if (states.empty()) return port;
  port.state = PortState::down;
  port.why = fmt::format("{}", fmt::join(states, "; "));
  return port;
}

std::vector<std::string> rdma_devices(const Host& host) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(host.sys / "class/infiniband", ignored))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

Port port_of(const fi_info& info, const Host& host) {
  const std::string name = info.domain_attr->name == nullptr ? "" : info.domain_attr->name;
  Port port;
  if (const Interface* interface = find(host, name))
    port = interface_port(*interface, host);
  else if (!name.empty())
    port = rdma_port(name, host);
  if (name == "lo") port.speed = "loopback";
  if (std::string_view(info.fabric_attr->prov_name) == "shm") port.speed = "memory";
  if (info.nic == nullptr) return port;
  // Whoever drives it knows better.
  if (const fi_link_attr* link = info.nic->link_attr) {
    if (link->speed != 0) port.speed = gigabits(static_cast<double>(link->speed));
    if (link->state == FI_LINK_UP) port.state = PortState::up;
    if (link->state == FI_LINK_DOWN) {
      if (port.state != PortState::down) port.why = "no link";
      port.state = PortState::down;
    }
  }
  if (const fi_bus_attr* bus = info.nic->bus_attr; bus != nullptr && bus->bus_type == FI_BUS_PCI) {
    const fi_pci_attr& pci = bus->attr.pci;
    const std::string place = fmt::format("{:04x}:{:02x}:{:02x}.{:x}", pci.domain_id, pci.bus_id,
                                          pci.device_id, pci.function_id);
    if (const int node = numa_node(host.sys / "bus/pci/devices" / place, host.sys); node >= 0)
      port.numa_node = node;
  }
  return port;
}

Error port_is_down(std::string_view wanted, std::string_view device, std::string_view why) {
  return {Code::unavailable, fmt::format("{}: the port of {} is down ({})", wanted, device, why),
          fmt::format("connect its cable, bring it up (ip link set, rdma link, ibstat), or choose "
                      "another address or fabric: squall info shows what is up")};
}

Result<const fi_info*> choose_device(std::string_view provider, const fi_info* list,
                                     const Host& host) {
  const fi_info* first = nullptr;
  std::vector<std::string> devices, reasons;
  for (const fi_info* info = list; info != nullptr; info = info->next) {
    if (const Port port = port_of(*info, host); port.state == PortState::down) {
      const std::string name = info->domain_attr->name == nullptr ? "" : info->domain_attr->name;
      if (std::ranges::find(devices, name) != devices.end()) continue;
      devices.push_back(name);
      reasons.push_back(port.why);
      continue;
    }
    if (info->src_addr != nullptr) return info;
    if (first == nullptr) first = info;
  }
  if (first != nullptr) return first;
  return tl::unexpected(port_is_down(provider, fmt::format("{}", fmt::join(devices, ", ")),
                                     fmt::format("{}", fmt::join(reasons, "; "))));
}

}  // namespace squall::ofi
