#pragma once
// Protocol    A message travels as an LZ4 block, its length and a mark; or, where that would not be
//             shorter, as it is, with a mark. What comes in is checked before it is used: an
//             unknown mark, a length over the group's limit, or a block that is not of that length
//             counts as damage, like a frame that cannot be right, and its sender is lost.
// Parameters  algorithm: lz4
// Properties  none of its own; all members must have it
// Cost        lz4 and a copy on the way out for messages of 64 bytes or more, at every member on
//             the way in for those that became shorter; one byte more for all others. What is
//             reserved and committed (Group::reserve) travels as it is: it lies in the ring
//             already.

#include "core/multicast/codec.h"

namespace squall::modules {

class CompressLz4 final : public multicast::Codec {
 public:
  /// Shorter messages are not tried.
  static constexpr std::size_t least_bytes = 64;

  std::size_t overhead() const override { return 1; }
  Bytes encode(Bytes message, std::vector<std::byte>& scratch) const override;
  void encode_in_place(MutableBytes whole) const override;
  std::optional<Bytes> decode(Bytes encoded, std::size_t most_bytes,
                              std::vector<std::byte>& scratch) const override;
};

}  // namespace squall::modules
