#pragma once
// JSON messages, one a line, over a connected stream socket between a command and a member that it
// started. The two trust each other: they are one program. One thread at a time.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

class Channel {
 public:
  /// Owns the socket.
  explicit Channel(int fd) : fd_(fd) {}
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel();

  int fd() const { return fd_; }
  /// Blocks until it is written. Code::closed when the other end is gone.
  Result<> send(const nlohmann::json& message);
  /// The next message if one is there (a whole line), without blocking.
  std::optional<nlohmann::json> receive();
  /// Waits for the next message: Code::closed at the end of the stream, Code::timeout.
  Result<nlohmann::json> receive_until(Time deadline);
  /// The other end hung up and everything that came before was received.
  bool closed() const { return ended_ && buffer_.empty(); }

 private:
  void fill();

  int fd_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace squall::bench
