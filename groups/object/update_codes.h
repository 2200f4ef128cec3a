#pragma once
// What the updates of a class are called in most calls: half as long as a method's number, which
// leaves eight bytes before the arguments. A code depends on nothing but that number and the
// version of the interface, so it means the same at every member and in every view.
//
// A class in which two updates have one code (of two updates, one pair in 2^32) is called by the
// numbers. Who calls knows that all members have its methods; should one without join while a call
// is under way, it takes the code for another method of its own once in 2^32 times, and else
// refuses it.
//
// Pure; does not change.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace squall::objects {

class UpdateCodes {
 public:
  UpdateCodes(std::span<const std::uint64_t> updates, std::uint32_t version)
      : seed_(version * UINT64_C(0xd6e8feb86659fd93)) {
    for (const std::uint64_t update : updates) by_code_.emplace_back(of(update), update);
    std::ranges::sort(by_code_);
    distinct_ = std::ranges::adjacent_find(
                    by_code_, {}, [](const auto& each) { return each.first; }) == by_code_.end();
  }

  bool distinct() const { return distinct_; }
  std::uint32_t of(std::uint64_t update) const {
    return static_cast<std::uint32_t>(((update ^ seed_) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
  }
  /// nullopt: of none, or of two. Whoever has fewer updates may not know that there are two.
  std::optional<std::uint64_t> update_of(std::uint32_t code) const {
    const auto found =
        std::ranges::lower_bound(by_code_, code, {}, [](const auto& each) { return each.first; });
    if (found == by_code_.end() || found->first != code) return std::nullopt;
    const auto next = std::next(found);
    if (next != by_code_.end() && next->first == code) return std::nullopt;
    return found->second;
  }

 private:
  std::uint64_t seed_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> by_code_;
  bool distinct_ = true;
};

}  // namespace squall::objects
