#pragma once
// Unix sockets in the abstract namespace (unix(7)), packet by packet, with descriptors beside the
// bytes. Nothing here blocks. Used for the introduction of two peers, for handing over regions,
// and to learn of a peer's death; never for messages.

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace squall::shm {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }

  void reset();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

inline constexpr std::size_t max_packet_bytes = 512;

/// One packet as it arrived. Descriptors that nobody takes are closed with it.
struct Packet {
  std::array<std::byte, max_packet_bytes> buffer;
  std::size_t bytes = 0;
  std::array<Fd, 4> fds;  ///< the kernel rounds room for three up to four
  std::size_t fd_count = 0;

  Bytes view() const { return Bytes(buffer).first(bytes); }
};

enum class Received : unsigned char { packet, nothing, closed, broken };
enum class Sent : unsigned char { whole, nothing, closed };

/// A listening socket with this name. Code::io if the host refuses.
Result<Fd> listen_at(std::string_view name);
/// Connects at once or fails with errno: EAGAIN when the listener's queue is full, ECONNREFUSED
/// when there is none.
int dial(std::string_view name, Fd& socket);
/// 0, or errno (EAGAIN when nobody is waiting).
int accept_from(const Fd& listener, Fd& socket);

Sent send_packet(const Fd& socket, Bytes bytes, std::span<const int> fds);
Received receive_packet(const Fd& socket, Packet& packet);

/// "pid 12 of user 0", for logs only: a pid may be reused.
std::string peer_text(const Fd& socket);

/// A fresh eventfd that never blocks. Code::io if the host refuses.
Result<Fd> make_doorbell();
/// True for a non-blocking eventfd: what a peer says is its doorbell may be anything.
bool is_doorbell(const Fd& fd);
void ring(const Fd& doorbell);

}  // namespace squall::shm
