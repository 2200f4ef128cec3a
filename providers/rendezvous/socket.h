#pragma once
// The sockets of the TCP rendezvous: owned descriptors, non-blocking and close-on-exec, with
// errors that say what to do.

#include <unistd.h>

#include <string>
#include <utility>

#include "core/base/error.h"
#include "providers/rendezvous/address.h"

namespace squall::rendezvous {

/// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// Listens on `address`. Port in use, address not on this host, no permission: each with its
/// remedy.
Result<Descriptor> listen_on(const std::string& address);
/// Takes over an inherited socket, which must be listening; Code::invalid otherwise (and it is
/// closed).
Result<Descriptor> adopt_listener(int fd);
/// Starts a connection; it stands, or has failed, when the descriptor is writable.
Result<Descriptor> start_connecting(const SocketAddress& address);
/// 0, or the errno of a connection that was started. A connection to itself, which TCP permits
/// where nobody listens on a local port, counts as refused.
int connect_result(const Descriptor& socket);
/// No delay, and dead hosts noticed within some ten seconds.
void tune_connection(const Descriptor& socket);

/// Where a listener listens, with the port that was really taken.
std::string local_address(const Descriptor& socket);

}  // namespace squall::rendezvous
