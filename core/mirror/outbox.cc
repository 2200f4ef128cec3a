#include "core/mirror/outbox.h"

#include <cstring>
#include <iterator>
#include <utility>

#include "core/base/assert.h"
#include "core/mirror/frame.h"

namespace squall::mirror {

Result<> Outbox::send(Buffer& buffer, bool here) {
  SQUALL_ASSERT(buffer && buffer.is_of(*pool_), "a buffer is sent by the group that gave it");
  const std::lock_guard lock(mutex_);
  if (here) writer_.end_stretch();
  RingWriter::Claim claim;
  if (!writer_.claim(ObjectFrame::wire_bytes, claim)) return fail(Code::would_block, {});
  const std::uint64_t number = sent_.load(std::memory_order_relaxed);
  const std::uint64_t frame[] = {number, buffer.size(), raw(buffer.slab()->region)};
  static_assert(sizeof frame == ObjectFrame::wire_bytes);
  std::memcpy(claim.message, frame, sizeof frame);
  fresh_.push_back({number, std::make_shared<const Buffer>(std::move(buffer)), claim.frame,
                    claim.frame + frame_bytes(ObjectFrame::wire_bytes)});
  writer_.commit_object(claim);
  sent_.store(number + 1, std::memory_order_release);
  return {};
}

void Outbox::collect() {
  const std::lock_guard lock(mutex_);
  std::move(fresh_.begin(), fresh_.end(), std::back_inserter(items_));
  fresh_.clear();
  collected_ = sent_.load(std::memory_order_relaxed);
}

void Outbox::leave_as_they_are() {
  for (const Item& item : items_) item.buffer->slab()->spent = true;
}

void Outbox::consumed(Position by_all) {
  while (!items_.empty() && items_.front().end <= by_all) items_.pop_front();
}

}  // namespace squall::mirror
