// The suite on the shared-memory provider.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "providers/shm/shm.h"
#include "test/conformance/world.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// (Here, because the runtime looks for it in the executable only.) The owner's memory takes the
// place of a replica's zeros while readers may look (`import` in core/fabric/fabric.h): the kernel
// does that under its own lock, but the sanitizer takes mmap for a plain write.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:squall::shm::Replica::map\n";
}
#endif
#endif

namespace squall::conformance {
namespace {

// An address is a name in the abstract namespace of unix sockets.
int dial(const std::string& address) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.size() + 1 > sizeof to.sun_path) return -1;
  std::memcpy(to.sun_path + 1, address.data(), address.size());
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + address.size());
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&to), bytes) == 0) return socket;
  close(socket);
  return -1;
}

}  // namespace

const Subject& subject() {
  static const auto provider = shm::make_provider();
  static const Subject shm = [] {
    Subject made;
    made.name = "shm";
    made.make_world = [] { return std::make_unique<RealWorld>("shm", *provider); };
    made.dial = dial;
    return made;
  }();
  return shm;
}

}  // namespace squall::conformance
