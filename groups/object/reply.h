#pragma once
// What one replica made of a call, as bytes.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "groups/object/wire.h"

namespace squall::objects {

/// Bytes that are few as a rule: those are kept in place. With thousands of calls in flight, memory
/// of their own would be one more line that is not in the cache. Memory for many is kept.
class ReplyBytes {
 public:
  void assign(Bytes bytes) {
    size_ = static_cast<std::uint32_t>(bytes.size());
    if (size_ == sizeof(std::uint64_t)) [[likely]]
      std::memcpy(near_.data(), bytes.data(), sizeof(std::uint64_t));
    else
      assign_other(bytes);
  }
  /// The same without a copy of what is many.
  void adopt(std::vector<std::byte>&& bytes) {
    if (bytes.size() <= near_.size()) return assign(bytes);
    size_ = static_cast<std::uint32_t>(bytes.size());
    far_ = std::make_unique<std::vector<std::byte>>(std::move(bytes));
  }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator Bytes() const { return {size_ <= near_.size() ? near_.data() : far_->data(), size_}; }

  [[gnu::always_inline]] bool equals(Bytes bytes) const {
    if (size_ != bytes.size()) return false;
    if (size_ != sizeof(std::uint64_t)) [[unlikely]]
      return std::ranges::equal(Bytes(*this), bytes);
    return std::memcmp(near_.data(), bytes.data(), sizeof(std::uint64_t)) == 0;
  }

 private:
  void assign_other(Bytes bytes);

  std::unique_ptr<std::vector<std::byte>> far_;
  std::array<std::byte, 16> near_{};
  std::uint32_t size_ = 0;
};

/// One member's reply: an encoded result, or an encoded error.
struct Reply {
  NodeId member{};
  [[no_unique_address]] ReplyBytes bytes;
  bool failed = false;
  Effect effect = Effect::unknown;
};
static_assert(sizeof(Reply) == 40, "a call is two cache lines");

}  // namespace squall::objects
