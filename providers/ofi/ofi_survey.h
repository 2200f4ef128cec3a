#pragma once
// What libfabric has on this host, for `squall info` and for errors that say what there is
// instead. Any thread; slow (fi_getinfo probes devices).

#include <rdma/fabric.h>
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/provider.h"
#include "providers/ofi/ofi_port.h"

namespace squall::ofi {

/// Devices behind `libfabric_name` with endpoints of that type; `selects` is the string that
/// users configure.
std::vector<fabric::Device> survey(std::string_view selects, std::string_view libfabric_name,
                                   fi_ep_type type);

/// The same from what fi_getinfo found, which is none that is down, and from what the host says.
std::vector<fabric::Device> survey(std::string_view selects, std::string_view libfabric_name,
                                   const fi_info* found, const Host& host);

/// Does that provider address its endpoints with IP addresses?
bool speaks_ip(std::string_view libfabric_name, fi_ep_type type);

/// "libfabric has here: tcp (connections), shm, tcp;ofi_rxm", a remedy for errors.
std::string what_there_is();

/// The ports that keep `libfabric_name` from being found; none if nothing says so.
Result<> check_ports(std::string_view libfabric_name, const Host& host);

/// Code::invalid if it is no IP address, Code::unavailable, with the addresses that there are,
/// if this host does not have it, or if the port behind it is down. Empty is fine.
Result<> check_local_address(const std::string& address, const Host& host);

/// An IPv4 or IPv6 address without its port; empty for others.
std::string ip_text(const sockaddr* address);

/// "fi_sockaddr_in://1.2.3.4:5" and the like, as "1.2.3.4:5", "[v6]:5" or what the provider says.
std::string address_text(std::uint32_t format, const void* address, std::size_t bytes);

}  // namespace squall::ofi
