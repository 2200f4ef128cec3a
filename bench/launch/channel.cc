#include "bench/launch/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace squall::bench {

Channel::Channel(Channel&& other) noexcept : fd_(-1) {
  *this = std::move(other);
}

Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  std::swap(ended_, other.ended_);
  return *this;
}

Channel::~Channel() {
  if (fd_ >= 0) close(fd_);
}

Result<> Channel::send(const nlohmann::json& message) {
  // Names of files are any bytes; what is no UTF-8 is replaced, for it is only shown.
  std::string line = message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  line += '\n';
  for (std::size_t at = 0; at < line.size();) {
    const ssize_t sent = ::send(fd_, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail(Code::closed, "the other process is gone");
    at += static_cast<std::size_t>(sent);
  }
  return {};
}

void Channel::fill() {
  std::array<char, 4096> piece;
  while (!ended_) {
    const ssize_t got = recv(fd_, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got > 0) {
      buffer_.append(piece.data(), static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      if (got == 0 || errno != EAGAIN) {
        ended_ = true;
        buffer_.resize(buffer_.rfind('\n') + 1);  // half a line will never be whole
      }
      return;
    }
  }
}

std::optional<nlohmann::json> Channel::receive() {
  for (bool filled = false;; filled = true) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      auto message = nlohmann::json::parse(buffer_.substr(0, end), nullptr, false);
      buffer_.erase(0, end + 1);
      if (message.is_object()) return message;
      continue;
    }
    if (filled) return std::nullopt;
    fill();
  }
}

Result<nlohmann::json> Channel::receive_until(Time deadline) {
  for (;;) {
    if (auto message = receive()) return *std::move(message);
    if (closed()) return fail(Code::closed, "the other process is gone");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Monotonic::now());
    if (left.count() <= 0) return fail(Code::timeout, "the other process said nothing");
    pollfd entry{fd_, POLLIN, 0};
    poll(&entry, 1, static_cast<int>(std::min<long>(left.count(), 1000)));
  }
}

}  // namespace squall::bench
