#pragma once
// One large object on its way through one member: which blocks it holds, and which it sends next
// to whom. Pure, and without the bytes themselves.
//
// There is no clock that all share. A member takes its schedule's sends in their order, and each as
// soon as it holds the block; so it never sends two blocks to two members at once that the schedule
// would send one after the other, and a member that is slow holds up those behind it only.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/multicast/bulk/schedule.h"

namespace squall::multicast::bulk {

class Transfer {
 public:
  /// `members` at least 2. Place 0 holds all of it.
  Transfer(Kind kind, Place members, Place self, std::uint64_t bytes, std::uint32_t block_bytes);

  /// Of an object of so many bytes; one of none has a block of none.
  static std::uint64_t block_count(std::uint64_t bytes, std::uint32_t block_bytes) {
    return bytes == 0 ? 1 : (bytes - 1) / block_bytes + 1;
  }

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t offset(Block block) const { return std::uint64_t{block} * block_bytes_; }
  std::size_t size(Block block) const;

  /// Those that it sends to, and those that send to it.
  const std::vector<Place>& children() const { return children_; }
  const std::vector<Place>& parents() const { return parents_; }

  bool whole() const { return missing_ == 0; }
  /// A block has come. False if that cannot be: there is no such block, it is here, or that member
  /// sends none.
  bool received(Place from, Block block);

  /// The next block to be sent, if it is here; `sent` goes on.
  std::optional<Move> next() const;
  void sent() { advance(step_ + 1); }
  bool finished() const { return step_ == schedule_->steps(); }

 private:
  void advance(Step to);

  std::uint64_t bytes_;
  std::uint32_t block_bytes_;
  std::unique_ptr<const Schedule> schedule_;
  std::vector<Place> children_, parents_;
  std::vector<bool> held_;
  std::uint64_t missing_;
  Step step_ = 0;
};

}  // namespace squall::multicast::bulk
