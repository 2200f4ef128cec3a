// A ring's ends against a plain model: a deque of messages. Space is claimed as other threads do,
// as the turning thread does, and by appending; it is read as a peer reads, and by the owner's log.

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/mirror/left_behind.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/ring_writer.h"

namespace squall::mirror {
namespace {

constexpr std::size_t ring_bytes = 4096;

struct Modelled {
  struct Message {
    RingWriter::Claim claim;
    std::string text;
    bool committed = false;
    Round round = no_round;
    Position frame = 0;
  };

  enum class How { elsewhere, here, append };

  // Claimed by someone and not read yet, in the ring's order; the first `published` of them may be
  // read.
  std::deque<Message> messages;
  std::size_t published = 0;
  Round next = 0;
  Round read_past = 0;  // behind the last message that was read past
  unsigned claimed = 0;

  std::unique_ptr<RingWriter> writer = RingWriter::create(ring_bytes).value();
  RingReader reader{writer->memory().data(), ring_bytes};
  RingReader own{writer->memory().data(), ring_bytes, &writer->log()};
  bool has_head = false;
  Position released = 0;
  Position view_begin = 0;
  std::vector<LeftBehind> left_behind;

  void claim(std::size_t bytes, How how) {
    // The turning thread's stretch is at most a sixteenth of the ring and counts as taken.
    constexpr std::size_t stretch = ring_bytes / 16;
    Message message;
    message.text = std::string(bytes, static_cast<char>('a' + claimed++ % 26));
    const std::uint64_t free = writer->free_bytes();
    const bool taken = how == How::append ? writer->append_short_here(as_bytes(message.text)) ||
                                                writer->append_here(as_bytes(message.text))
                       : how == How::here ? writer->claim_here(bytes, message.claim)
                                          : writer->claim(bytes, message.claim);
    if (!taken) {
      // Never refused while half of the ring is free; always within what is free.
      RC_ASSERT(free < ring_bytes / 2 || !writer->fits(bytes));
      return;
    }
    RC_ASSERT(frame_bytes(bytes) <= free + stretch);
    if (how == How::append) {
      message.claim.frame = writer->end_here() - frame_bytes(bytes);
      message.committed = true;
    } else {
      std::memcpy(message.claim.message, message.text.data(), bytes);
    }
    message.frame = message.claim.frame;
    const auto later = std::ranges::find_if(
        messages, [&](const Message& other) { return other.frame > message.frame; });
    RC_ASSERT(static_cast<std::size_t>(later - messages.begin()) >= published);
    messages.insert(later, message);
  }
  void commit(std::size_t which) {
    if (messages.empty()) return;
    Message& message = messages[which % messages.size()];
    if (message.committed) return;
    message.committed = true;
    writer->commit(message.claim);
  }
  void publish(bool prepares) {
    std::uint64_t expected = 0;
    while (published < messages.size() && messages[published].committed) {
      messages[published++].round = next + expected++;
    }
    Round round = next;
    RC_ASSERT(writer->publish(round) == expected);
    RC_ASSERT(round == next + expected);
    next = round;
    const Position claimed_before = writer->claimed();
    if (prepares) writer->prepare();
    RC_ASSERT(writer->claimed() == claimed_before);
  }
  void skip(Round rounds, bool planned) {
    next += rounds;
    if (planned) writer->plan(next);
  }
  void read(std::size_t count) {
    RC_ASSERT(reader.extend(writer->published()));
    RC_ASSERT(own.extend(writer->published()));
    for (; count > 0; --count) {
      if (has_head) {
        read_past = messages.front().round + 1;
        messages.pop_front();
        --published;
      }
      RC_ASSERT(reader.advance());
      RC_ASSERT(own.advance());
      RC_ASSERT(own.head_round() == reader.head_round());
      RC_ASSERT(own.consumed() == reader.consumed());
      has_head = reader.head_round() != no_round;
      RC_ASSERT(has_head == (published > 0));
      if (!has_head) return;
      RC_ASSERT(reader.head_round() == messages.front().round);
      RC_ASSERT(as_text(reader.head()) == messages.front().text);
      RC_ASSERT(as_text(own.head()) == messages.front().text);
      RC_ASSERT(reader.consumed() == messages.front().frame);
    }
  }
  /// A view change: everything below `first_lost` is delivered, the rest is to be published again.
  /// If somebody is expelled, it reads on in what was not released.
  void rewind(Round first_lost, bool expels) {
    first_lost = std::max(first_lost, read_past);
    if (!has_head) read(1);
    while (has_head && messages.front().round < first_lost) read(1);
    if (expels)
      left_behind.emplace_back(writer->memory(), ring_bytes, std::max(released, view_begin),
                               writer->published());
    writer->rewind(first_lost);
    if (expels) RC_ASSERT(writer->renew());
    const Position start = view_begin = writer->published();
    if (has_head) RC_ASSERT(start == messages.front().frame);
    reader = RingReader(writer->memory().data(), ring_bytes, nullptr, start);
    own = RingReader(writer->memory().data(), ring_bytes, &writer->log(), start);
    has_head = false;
    published = 0;
    next = read_past = 0;
  }
  void release() {
    RC_ASSERT(reader.consumed() >= released);
    released = reader.consumed();
    writer->release(released);
  }
};

TEST_CASE("random claims, commits in any order, publishes, reads and releases match a deque") {
  CHECK(rc::check([] {
    Modelled ring;
    const auto steps = *rc::gen::inRange(1, 400);
    // Sizes around what matters: nothing, a few bytes, the alignment, the largest.
    const auto most = *rc::gen::element<std::size_t>(0, 17, 100, max_message_bytes(ring_bytes));
    for (int step = 0; step < steps; ++step) {
      switch (*rc::gen::inRange(0, 9)) {
        case 0:
        case 1:
        case 2:
          ring.claim(*rc::gen::inRange<std::size_t>(0, most + 2),
                     *rc::gen::element(Modelled::How::elsewhere, Modelled::How::here,
                                       Modelled::How::append, Modelled::How::append));
          break;
        case 3:
        case 4:
          ring.commit(*rc::gen::inRange<std::size_t>(0, 8));
          break;
        case 5:
          ring.publish(*rc::gen::arbitrary<bool>());
          break;
        case 6:
          ring.read(*rc::gen::inRange<std::size_t>(0, 6));
          break;
        case 7:
          if (*rc::gen::inRange(0, 8) == 0)
            ring.rewind(ring.next - std::min<Round>(ring.next, *rc::gen::inRange<Round>(0, 6)),
                        *rc::gen::inRange(0, 3) != 0);
          break;
        default:
          *rc::gen::inRange(0, 4) == 0 ? ring.skip(3, *rc::gen::arbitrary<bool>()) : ring.release();
      }
    }
    // And in the end everything that was claimed comes out.
    for (std::size_t which = 0; which < ring.messages.size(); ++which) ring.commit(which);
    ring.publish(true);
    ring.read(SIZE_MAX);
    RC_ASSERT(ring.messages.empty());
    RC_ASSERT(ring.reader.consumed() == ring.writer->published());
    RC_ASSERT(!ring.writer->pending());
    for (const LeftBehind& each : ring.left_behind) RC_ASSERT(each.disturbed() == 0u);
  }));
}

}  // namespace
}  // namespace squall::mirror
