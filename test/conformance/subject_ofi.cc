// The suite on a provider that goes through libfabric; SQUALL_SUBJECT, its name, comes from the
// build file.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "providers/ofi/ofi.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

constexpr std::string_view provider_name = SQUALL_SUBJECT;

std::unique_ptr<fabric::Provider> make_provider() {
  if (provider_name == "tcp") return ofi::make_tcp();
  if (provider_name == "verbs") return ofi::make_verbs();
  return ofi::make_named(std::string(provider_name.substr(std::string_view("ofi:").size())));
}

// An address ends with "host:port" or "[v6]:port".
int dial(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return -1;
  std::size_t start = address.find_last_of(" /=", colon);
  start = start == std::string::npos ? 0 : start + 1;
  std::string host = address.substr(start, colon - start);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, nullptr, &found) != 0) return -1;
  int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(socket, found->ai_addr, found->ai_addrlen) != 0) {
    close(socket);
    socket = -1;
  }
  freeaddrinfo(found);
  return socket;
}

}  // namespace

const Subject& subject() {
  static const auto provider = make_provider();
  static const Subject ofi = [] {
    Subject made;
    made.name = provider_name;
    made.may_be_missing = provider_name == "verbs";
    made.make_world = [] { return std::make_unique<RealWorld>(provider_name, *provider); };
    if (provider_name == "ofi:shm")
      made.dead_stall_others =
          "libfabric's shm completes sends over 4 KiB in one queue for all peers, and stops at "
          "the first that is not answered";
    if (provider_name == "tcp") {
      made.dial = dial;
      made.keeps_silent_strangers =
          "libfabric's listener holds them, tells nobody of them, and has no limit of time";
    }
    return made;
  }();
  return ofi;
}

}  // namespace squall::conformance
