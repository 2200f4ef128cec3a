#pragma once
// One TCP connection within this host, made before the processes are that will use its ends.

#include <array>
#include <cstddef>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace squall::bench {

/// Both ends, which close with it. TCP_NODELAY, and without pacing, as Squall's own are; otherwise
/// as the system makes them.
class Connection {
 public:
  static Result<Connection> open();
  Connection(Connection&& other) noexcept : ends_(std::exchange(other.ends_, {-1, -1})) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  int end(std::size_t which) const { return ends_[which]; }
  /// In a child: the other end is not ours. Gives the socket of this one.
  int keep(std::size_t mine);

 private:
  Connection() = default;
  std::array<int, 2> ends_{-1, -1};
};

/// Blocks until all is taken.
Result<> send_all(int socket, Bytes bytes);

}  // namespace squall::bench
