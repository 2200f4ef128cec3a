// A peer's link segment, which it may fill as it likes: its ring, and what it claims to have read.
// The input is a list of claims, then bytes of the ring that lie around its end,
// where frames wrap. Whatever the peer says, a message lies within the ring and is no longer than
// one may be, and a sender goes no further than there is room.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "providers/shm/shm_message.h"

namespace squall::shm {
namespace {

constexpr std::size_t lane = 1;  // the last ring of the segment: a byte too far is not ours
constexpr std::size_t claims = 8;
constexpr std::size_t before_end = 64;

struct alignas(64) Segment {
  std::byte bytes[link_bytes];
  LinkHeader& header() { return *reinterpret_cast<LinkHeader*>(bytes); }
  std::byte* ring() { return bytes + link_rings_offset + lane * lane_ring_bytes; }
};

/// Both ends, at `before_end` bytes before the ring's.
struct World {
  std::unique_ptr<Segment> mine = std::make_unique<Segment>();
  std::unique_ptr<Segment> theirs = std::make_unique<Segment>();
  std::vector<std::byte> message = std::vector<std::byte>(256 * 8);
  MessageReceiver receiver{mine->bytes, theirs->bytes, lane};
  MessageSender sender{mine->bytes, theirs->bytes, lane};
  Position start = 0;

  World() {
    MessageSender peer(theirs->bytes, mine->bytes, lane);
    while (start < lane_ring_bytes - before_end) {
      std::vector<std::byte> filler(
          std::min(max_message_bytes, lane_ring_bytes - before_end - start - 8));
      std::size_t bytes = 0;
      SQUALL_ASSERT(peer.send(filler) == MessageSender::Outcome::sent, "there is room");
      SQUALL_ASSERT(receiver.peek(bytes) == MessageReceiver::Outcome::message, "it came");
      receiver.take(filler);
      receiver.release();
      SQUALL_ASSERT(sender.send(filler) == MessageSender::Outcome::sent, "there is room");
      start += round_up(8 + filler.size(), line_bytes);
      theirs->header().consumed[lane] = start;
    }
  }
};

void receive(MessageReceiver& receiver, std::size_t frames, unsigned& sum) {
  for (; frames > 0; --frames) {
    std::size_t bytes = 0;
    if (receiver.peek(bytes) != MessageReceiver::Outcome::message) break;
    SQUALL_ASSERT(bytes <= max_message_bytes, "a message is no longer than one may be");
    std::vector<std::byte> message(bytes);
    receiver.take(message);
    if (!message.empty()) sum += std::to_integer<unsigned>(message.back());
    static_cast<void>(receiver.release());
  }
}

void fuzz_segment(Bytes input) {
  static World world;
  static unsigned sum = 0;  // keeps the reads from being optimised away
  if (input.size() < claims) return;
  const Bytes body = input.subspan(claims);
  const std::size_t first = std::min(body.size(), before_end);
  const std::size_t second = std::min<std::size_t>(body.size() - first, 4096);
  if (first > 0)
    std::memcpy(world.theirs->ring() + lane_ring_bytes - before_end, body.data(), first);
  if (second > 0) std::memcpy(world.theirs->ring(), body.data() + first, second);

  MessageReceiver receiver = world.receiver;
  MessageSender sender = world.sender;
  for (const std::byte claim : input.first(claims)) {
    // Mostly plausible; sometimes backwards, unaligned or far away.
    const auto step = std::to_integer<std::uint64_t>(claim);
    const Position claimed = world.start + (step < 200 ? step * 8 : (step - 228) * 9973);
    receive(receiver, 16, sum);
    world.theirs->header().consumed[lane] = claimed;
    const Position before = sender.appended();
    if (sender.send(Bytes(world.message).first(step * 8)) == MessageSender::Outcome::broken) break;
    SQUALL_ASSERT(sender.appended() - before <= round_up(8 + step * 8, line_bytes),
                  "a sender writes its message and no more");
    static_cast<void>(sender.room_came());
  }
}

}  // namespace
}  // namespace squall::shm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::shm::fuzz_segment(std::as_bytes(std::span(data, size)));
  return 0;
}
