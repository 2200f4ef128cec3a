#pragma once
// What the fabric still reads. A block's memory must stay until its token comes back, whatever has
// become of the object, of the view and of the peer meanwhile. One node's, for good; one thread.

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "core/fabric/fabric.h"
#include "core/mirror/buffer.h"

namespace squall::multicast::bulk {

/// How much is on its way to one peer.
struct Window {
  std::size_t bytes = 0;
};

class Transit {
 public:
  /// Held until `returned`, when the window is as much wider again.
  fabric::Token hold(std::shared_ptr<const mirror::Buffer> source, std::shared_ptr<Window> window,
                     std::size_t bytes) {
    const fabric::Token token = mark | next_++;
    window->bytes += bytes;
    held_.emplace(token, Held{std::move(source), std::move(window), bytes});
    return token;
  }
  /// False: the token is none of these.
  bool returned(fabric::Token token) {
    if ((token & mark) == 0) return false;
    const auto found = held_.find(token);
    if (found == held_.end()) return true;
    found->second.window->bytes -= found->second.bytes;
    held_.erase(found);
    return true;
  }
  bool empty() const { return held_.empty(); }

 private:
  struct Held {
    std::shared_ptr<const mirror::Buffer> source;
    std::shared_ptr<Window> window;
    std::size_t bytes = 0;
  };
  static constexpr fabric::Token mark = fabric::Token{1} << 63;

  std::unordered_map<fabric::Token, Held> held_;
  fabric::Token next_ = 0;
};

}  // namespace squall::multicast::bulk
