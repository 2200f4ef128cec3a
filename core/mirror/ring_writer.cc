#include "core/mirror/ring_writer.h"

#include <fmt/format.h>

#include "core/base/assert.h"

namespace squall::mirror {

Result<std::unique_ptr<RingWriter>> RingWriter::create(std::size_t ring_bytes) {
  if (!is_power_of_two(ring_bytes) || ring_bytes < min_ring_bytes || ring_bytes > max_ring_bytes)
    return fail(Code::invalid,
                fmt::format("a ring of {} bytes: it must be a power of two from {} to {}",
                            ring_bytes, min_ring_bytes, max_ring_bytes),
                "set ring_bytes of the group");
  auto memory = fabric::Memory::create(ring_bytes);
  if (!memory) return tl::unexpected(memory.error());
  return std::unique_ptr<RingWriter>(new RingWriter(std::move(*memory), ring_bytes));
}

RingWriter::RingWriter(fabric::Memory memory, std::size_t ring_bytes)
    : memory_(std::move(memory)),
      math_(ring_bytes),
      commits_(std::make_unique<std::atomic<std::uint32_t>[]>(ring_bytes / frame_alignment)),
      limit_(ring_bytes) {}

bool RingWriter::claim(std::size_t message_bytes, Claim& claim) {
  if (!fits(message_bytes)) return false;
  const std::size_t size = frame_bytes(message_bytes);
  Position tail = tail_.load(std::memory_order_relaxed);
  std::uint64_t padding;
  do {
    const std::uint64_t until_end = math_.until_end(tail);
    padding = size > until_end ? until_end : 0;
    // Acquire: the engine's clearing of commit slots happened before it moved the limit.
    if (tail + padding + size > limit_.load(std::memory_order_acquire)) return false;
  } while (!tail_.compare_exchange_weak(tail, tail + padding + size, std::memory_order_relaxed));

  if (padding != 0) {
    FrameHeader* const filler = header(tail);
    filler->bytes = static_cast<std::uint32_t>(padding - sizeof(FrameHeader));
    filler->kind = FrameKind::padding;
    filler->round = 0;
    committed(tail).store(static_cast<std::uint32_t>(padding), std::memory_order_release);
  }
  claim.frame = tail + padding;
  claim.frame_bytes = static_cast<std::uint32_t>(size);
  FrameHeader* const mine = header(claim.frame);
  mine->bytes = static_cast<std::uint32_t>(message_bytes);
  mine->kind = FrameKind::message;
  claim.message = reinterpret_cast<std::byte*>(mine + 1);
  return true;
}

void RingWriter::commit(const Claim& claim) {
  committed(claim.frame).store(claim.frame_bytes, std::memory_order_release);
}

void RingWriter::cancel(const Claim& claim) {
  FrameHeader* const mine = header(claim.frame);
  mine->bytes = static_cast<std::uint32_t>(claim.frame_bytes - sizeof(FrameHeader));
  mine->kind = FrameKind::padding;
  commit(claim);
}

std::uint64_t RingWriter::publish(Round& next) {
  const Position tail = tail_.load(std::memory_order_acquire);
  if (tail == published_) return 0;
  std::uint64_t count = 0;
  Position at = published_;
  while (at != tail) {
    std::atomic<std::uint32_t>& slot = committed(at);
    const std::uint32_t size = slot.load(std::memory_order_acquire);
    if (size == 0) break;
    slot.store(0, std::memory_order_relaxed);
    FrameHeader* const frame = header(at);
    if (frame->kind == FrameKind::message) {
      frame->round = next++;
      ++count;
    }
    at += size;
  }
  published_ = at;
  return count;
}

}  // namespace squall::mirror
