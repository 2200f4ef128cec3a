#include "providers/ofi/ofi_survey.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>

#include "providers/ofi/ofi_domain.h"

namespace squall::ofi {
namespace {

Info look_up(std::string_view provider, fi_ep_type type) {
  if (!libfabric::load()) return {};
  const Info hints = hints_for(provider, type);
  fi_info* found = nullptr;
  if (libfabric::getinfo(api_version, nullptr, nullptr, 0, hints.get(), &found) != 0) return {};
  return Info(found);
}

bool has_ip(const fi_info& info) {
  return info.addr_format == FI_SOCKADDR || info.addr_format == FI_SOCKADDR_IN ||
         info.addr_format == FI_SOCKADDR_IN6;
}

std::string why_missing(std::string_view provider) {
  if (const auto loaded = libfabric::load(); !loaded) return loaded.error().what;
  if (provider == "verbs") return "no RDMA device is present (/sys/class/infiniband is empty)";
  return fmt::format("libfabric has no provider '{}' here", provider);
}

/// libfabric lists nothing that is down.
void add_what_is_not_listed(std::string_view libfabric_name, const Host& host,
                            const fabric::Device& row, std::vector<fabric::Device>& devices) {
  const auto listed = [&](auto field, const std::string& value) {
    return std::ranges::any_of(devices, [&](const auto& device) { return device.*field == value; });
  };
  const auto add = [&](const std::string& name, const std::string& address, const Port& port,
                       std::string_view otherwise) {
    fabric::Device device = row;
    device.device = name;
    device.address = address;
    device.port = port.state;
    device.speed = port.speed;
    device.numa_node = port.numa_node;
    device.reason = port.state == fabric::PortState::down ? "its port is down: " + port.why
                                                          : std::string(otherwise);
    devices.push_back(std::move(device));
  };
  if (libfabric_name == "verbs") {
    for (const std::string& name : rdma_devices(host))
      if (!listed(&fabric::Device::device, name))
        add(name, "", rdma_port(name, host),
            "libfabric cannot use it: is its user-space driver installed, does its port have an IP "
            "address?");
  }
  if (libfabric_name != "tcp") return;
  for (const Interface& interface : host.interfaces)
    if (interface.port == fabric::PortState::down &&
        !listed(&fabric::Device::address, interface.address))
      add(interface.name, interface.address, interface_port(interface, host), "");
}

}  // namespace

std::vector<fabric::Device> survey(std::string_view selects, std::string_view libfabric_name,
                                   fi_ep_type type) {
  return survey(selects, libfabric_name, look_up(libfabric_name, type).get(), Host::here());
}

std::vector<fabric::Device> survey(std::string_view selects, std::string_view libfabric_name,
                                   const fi_info* found, const Host& host) {
  std::vector<fabric::Device> devices;
  for (const fi_info* info = found; info != nullptr; info = info->next) {
    fabric::Device device;
    device.provider = selects;
    device.device = info->domain_attr->name == nullptr ? "" : info->domain_attr->name;
    device.address = info->src_addr == nullptr
                         ? ""
                         : address_text(info->addr_format, info->src_addr, info->src_addrlen);
    // A port says nothing before it is bound.
    if (has_ip(*info) && info->src_addr != nullptr)
      device.address = ip_text(static_cast<const sockaddr*>(info->src_addr));
    const Port port = port_of(*info, host);
    device.port = port.state;
    device.speed = port.speed;
    device.numa_node = port.numa_node;
    device.usable = port.state != fabric::PortState::down;
    device.reason = !device.usable                     ? "its port is down: " + port.why
                    : info->ep_attr->type == FI_EP_MSG ? "connected endpoints"
                                                       : "reliable datagrams";
    const bool seen = std::any_of(devices.begin(), devices.end(), [&](const auto& other) {
      return other.device == device.device && other.address == device.address;
    });
    if (!seen) devices.push_back(std::move(device));
  }
  fabric::Device missing;
  missing.provider = selects;
  missing.speed = "unknown";
  add_what_is_not_listed(libfabric_name, host, missing, devices);
  if (devices.empty()) {
    missing.reason = why_missing(libfabric_name);
    devices.push_back(std::move(missing));
  }
  return devices;
}

bool speaks_ip(std::string_view libfabric_name, fi_ep_type type) {
  const Info found = look_up(libfabric_name, type);
  return found && has_ip(*found);
}

std::string what_there_is() {
  const Info found = look_up("", FI_EP_UNSPEC);
  std::vector<std::string> names;
  for (const fi_info* info = found.get(); info != nullptr; info = info->next) {
    if (info->ep_attr->type != FI_EP_MSG && info->ep_attr->type != FI_EP_RDM) continue;
    std::string name = info->fabric_attr->prov_name;
    if (info->ep_attr->type == FI_EP_MSG) name += " (connections)";
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::error_code ignored;
  const bool no_rdma = std::filesystem::is_empty("/sys/class/infiniband", ignored) || ignored;
  return fmt::format("libfabric has here: {}{}", fmt::join(names, ", "),
                     no_rdma ? "; no RDMA device is present" : "");
}

Result<> check_ports(std::string_view libfabric_name, const Host& host) {
  if (libfabric_name != "verbs") return {};
  std::vector<std::string> names, reasons;
  for (const std::string& name : rdma_devices(host)) {
    const Port port = rdma_port(name, host);
    if (port.state != fabric::PortState::down) return {};
    names.push_back(name);
    reasons.push_back(port.why);
  }
  if (names.empty()) return {};
  return tl::unexpected(port_is_down(libfabric_name, fmt::format("{}", fmt::join(names, ", ")),
                                     fmt::format("{}", fmt::join(reasons, "; "))));
}

Result<> check_local_address(const std::string& address, const Host& host) {
  if (address.empty()) return {};
  in6_addr parsed{};
  if (inet_pton(AF_INET, address.c_str(), &parsed) != 1 &&
      inet_pton(AF_INET6, address.c_str(), &parsed) != 1)
    return fail(Code::invalid, fmt::format("'{}' is no IPv4 or IPv6 address", address),
                "give an address without a port, such as 10.0.0.1");
  std::vector<std::string> local;
  const Interface* down = nullptr;
  for (const Interface& interface : host.interfaces) {
    local.push_back(interface.address);
    if (interface.address != address) continue;
    if (interface.port != fabric::PortState::down) return {};
    down = &interface;
  }
  if (down != nullptr) return tl::unexpected(port_is_down(address, down->name, down->why));
  // The whole of 127/8 is the loopback interface's, though it lists one.
  if (address.starts_with("127.")) return {};
  return fail(Code::unavailable, fmt::format("{} is not an address of this host", address),
              fmt::format("it has {}", fmt::join(local, ", ")));
}

std::string ip_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  if (address->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
              sizeof text);
  return text;
}

std::string address_text(std::uint32_t format, const void* address, std::size_t bytes) {
  const auto* ip = static_cast<const sockaddr*>(address);
  if (format == FI_SOCKADDR || format == FI_SOCKADDR_IN || format == FI_SOCKADDR_IN6) {
    if (ip->sa_family == AF_INET6)
      return fmt::format("[{}]:{}", ip_text(ip),
                         ntohs(reinterpret_cast<const sockaddr_in6*>(ip)->sin6_port));
    return fmt::format("{}:{}", ip_text(ip),
                       ntohs(reinterpret_cast<const sockaddr_in*>(ip)->sin_port));
  }
  if (format == FI_ADDR_STR) {
    const std::string_view text(static_cast<const char*>(address), bytes);
    return std::string(text.substr(0, text.find('\0')));
  }
  return fmt::format("{} bytes of format {}", bytes, format);
}

}  // namespace squall::ofi
