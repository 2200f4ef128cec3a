#include "core/mirror/ring_memory.h"

#include <cstring>
#include <utility>

#include "core/base/assert.h"

namespace squall::mirror {

RingMemory::RingMemory(std::unique_ptr<fabric::Memory> memory, std::size_t ring_bytes)
    : math_(ring_bytes), shown_(memory.get()), shown_data_(memory->data()) {
  bases_[newer_] = memory->data();
  claims_[newer_] = std::move(memory);
}

Result<> RingMemory::renew(std::atomic<RingTail>& tail, Position from) {
  auto fresh = fabric::Memory::create(math_.bytes());
  if (!fresh) return tl::unexpected(fresh.error());
  copy(fresh->data(), shown_data_, from, brought_);
  // Nothing was ever claimed in one that waits: it may go.
  waiting_ = std::make_unique<fabric::Memory>(std::move(*fresh));
  shown_ = waiting_.get();
  shown_data_ = shown_->data();
  settle(tail);
  return {};
}

void RingMemory::settle(std::atomic<RingTail>& tail) {
  const std::size_t other = 1 - newer_;
  if (claims_[other] != nullptr && brought_ >= line_) claims_[other].reset();
  settled_ = claims_[other] == nullptr && waiting_ == nullptr;
  if (claims_[other] != nullptr || waiting_ == nullptr) return;
  bases_[other] = waiting_->data();
  claims_[other] = std::move(waiting_);
  newer_ = other;
  // Release: who claims from here on sees the base. What moves the tail is always an exchange, so
  // whoever sees a later value sees it as well; and who had seen a raised limit has seen this.
  line_ = position_of(tail.fetch_xor(1, std::memory_order_acq_rel));
}

void RingMemory::bring_over(Position begin, Position end) {
  if (begin < brought_) return;
  const bool older = claims_[1 - newer_] != nullptr && begin < line_;
  const std::byte* from = bases_[older ? 1 - newer_ : newer_];
  if (from != shown_data_) copy(shown_data_, from, begin, end);
}

void RingMemory::copy(std::byte* to, const std::byte* from, Position begin, Position end) const {
  SQUALL_ASSERT(end - begin <= math_.bytes(), "what is live is at most a ring");
  while (begin != end) {
    const std::uint64_t piece = std::min(math_.until_end(begin), end - begin);
    std::memcpy(to + math_.offset(begin), from + math_.offset(begin), piece);
    begin += piece;
  }
}

}  // namespace squall::mirror
