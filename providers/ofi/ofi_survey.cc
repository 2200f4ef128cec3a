#include "providers/ofi/ofi_survey.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>

#include "providers/ofi/ofi_domain.h"

namespace squall::ofi {
namespace {

Info look_up(std::string_view provider, fi_ep_type type) {
  const Info hints = hints_for(provider, type);
  fi_info* found = nullptr;
  if (fi_getinfo(api_version, nullptr, nullptr, 0, hints.get(), &found) != 0) return {};
  return Info(found);
}

std::string speed_of(const fi_info& info) {
  if (info.nic != nullptr && info.nic->link_attr != nullptr && info.nic->link_attr->speed != 0)
    return fmt::format("{:g} Gb/s", static_cast<double>(info.nic->link_attr->speed) / 1e9);
  const std::string_view domain = info.domain_attr->name == nullptr ? "" : info.domain_attr->name;
  if (domain == "lo") return "loopback";
  if (std::string_view(info.fabric_attr->prov_name) == "shm") return "memory";
  return "unknown";
}

bool has_ip(const fi_info& info) {
  return info.addr_format == FI_SOCKADDR || info.addr_format == FI_SOCKADDR_IN ||
         info.addr_format == FI_SOCKADDR_IN6;
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

std::string why_missing(std::string_view provider) {
  if (provider == "verbs") {
    std::error_code ignored;
    if (std::filesystem::is_empty("/sys/class/infiniband", ignored) || ignored)
      return "no RDMA device is present (/sys/class/infiniband is empty)";
    return "there is an RDMA device, but libfabric cannot use it: is its user-space driver "
           "installed, does its port have an IP address?";
  }
  return fmt::format("libfabric has no provider '{}' here", provider);
}

}  // namespace

std::vector<fabric::Device> survey(std::string_view selects, std::string_view libfabric_name,
                                   fi_ep_type type) {
  std::vector<fabric::Device> devices;
  const Info found = look_up(libfabric_name, type);
  for (const fi_info* info = found.get(); info != nullptr; info = info->next) {
    fabric::Device device;
    device.provider = selects;
    device.device = info->domain_attr->name == nullptr ? "" : info->domain_attr->name;
    device.address = info->src_addr == nullptr
                         ? ""
                         : address_text(info->addr_format, info->src_addr, info->src_addrlen);
    // A port says nothing before it is bound.
    if (has_ip(*info)) device.address = ip_text(static_cast<const sockaddr*>(info->src_addr));
    device.speed = speed_of(*info);
    device.usable = true;
    device.reason = type == FI_EP_MSG ? "connected endpoints" : "reliable datagrams";
    const bool seen = std::any_of(devices.begin(), devices.end(), [&](const auto& other) {
      return other.device == device.device && other.address == device.address;
    });
    if (!seen) devices.push_back(std::move(device));
  }
  if (devices.empty()) {
    fabric::Device missing;
    missing.provider = selects;
    missing.speed = "unknown";
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

Result<> check_local_address(const std::string& address) {
  if (address.empty()) return {};
  in6_addr parsed{};
  if (inet_pton(AF_INET, address.c_str(), &parsed) != 1 &&
      inet_pton(AF_INET6, address.c_str(), &parsed) != 1)
    return fail(Code::invalid, fmt::format("'{}' is no IPv4 or IPv6 address", address),
                "give an address without a port, such as 10.0.0.1");
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return fail_errno("cannot list this host's addresses", errno);
  std::vector<std::string> local;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (std::string text = ip_text(at->ifa_addr); !text.empty()) local.push_back(std::move(text));
  }
  freeifaddrs(list);
  if (std::find(local.begin(), local.end(), address) != local.end()) return {};
  // The whole of 127/8 is the loopback interface's, though it lists one.
  if (address.starts_with("127.")) return {};
  return fail(Code::unavailable, fmt::format("{} is not an address of this host", address),
              fmt::format("it has {}", fmt::join(local, ", ")));
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
