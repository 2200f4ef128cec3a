#include "core/mirror/ring_writer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <initializer_list>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/ring_test_kit.h"

namespace squall::mirror {
namespace {

TEST_CASE("a ring's size is a power of two within its bounds, or refused with the bounds") {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{2048}, std::size_t{4097}, std::size_t{1} << 31, SIZE_MAX}) {
    const auto writer = RingWriter::create(bytes);
    REQUIRE_FALSE(writer);
    CHECK(writer.error().code == Code::invalid);
    CHECK(writer.error().what.find("from 4096 to 1073741824") != std::string::npos);
  }
  CHECK(RingWriter::create(4096));
}

TEST_CASE("what is committed is published in claim order, with rounds from `next` on") {
  Ring ring;
  ring.next = 10;
  CHECK(ring.append("one"));
  CHECK(ring.append(""));
  CHECK(ring.append("three"));
  CHECK(ring.writer->pending());
  CHECK(ring.writer->publish(ring.next) == 3);
  CHECK_FALSE(ring.writer->pending());
  CHECK(ring.next == 13);
  CHECK(ring.read() == Texts{"one", "", "three"});
  CHECK(ring.rounds == std::vector<Round>{10, 11, 12});
}

TEST_CASE("a claim that is not committed holds back what was claimed behind it, and only that") {
  Ring ring;
  RingWriter::Claim first, second;
  CHECK(ring.append("zero"));
  REQUIRE(ring.writer->claim(1, first));
  REQUIRE(ring.writer->claim(1, second));
  *first.message = std::byte{'1'};
  *second.message = std::byte{'2'};
  ring.writer->commit(second);
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.writer->pending());
  CHECK(ring.writer->publish(ring.next) == 0);
  ring.writer->commit(first);
  CHECK(ring.writer->publish(ring.next) == 2);
  CHECK(ring.read() == Texts{"zero", "1", "2"});
}

TEST_CASE("a claim that is given up is skipped and has no round") {
  Ring ring;
  CHECK(ring.append("one"));
  RingWriter::Claim claim;
  REQUIRE(ring.writer->claim(100, claim));
  CHECK(ring.append("two"));
  ring.writer->cancel(claim);
  CHECK(ring.writer->publish(ring.next) == 2);
  CHECK(ring.read() == Texts{"one", "two"});
  CHECK(ring.rounds == std::vector<Round>{0, 1});
}

TEST_CASE("a ring fills to its last byte, and space comes back with release only") {
  Ring ring;
  const std::string quarter(largest, 'q');
  for (int frame = 0; frame < 4; ++frame) CHECK(ring.append(quarter));
  CHECK(ring.writer->free_bytes() == 0);
  CHECK_FALSE(ring.append(""));
  CHECK(ring.writer->publish(ring.next) == 4);
  CHECK(ring.read().size() == 4);
  CHECK_FALSE(ring.append(""));
  ring.writer->release(frame_bytes(largest));
  CHECK(ring.append(quarter));
  CHECK_FALSE(ring.append(""));
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.read() == Texts{quarter});
}

TEST_CASE("a message over the limit does not fit, however empty the ring is") {
  Ring ring;
  RingWriter::Claim claim;
  CHECK(ring.writer->fits(largest));
  CHECK_FALSE(ring.writer->fits(largest + 1));
  CHECK_FALSE(ring.writer->claim(largest + 1, claim));
  CHECK_FALSE(ring.writer->claim(SIZE_MAX, claim));
  CHECK_FALSE(ring.writer->pending());
}

TEST_CASE("a frame that does not fit before the end goes behind padding, which has no round") {
  Ring ring;
  const std::string most(largest, 'm');
  for (int frame = 0; frame < 3; ++frame) CHECK(ring.append(most));
  CHECK(ring.append("short"));  // leaves less than a quarter
  CHECK(ring.writer->publish(ring.next) == 4);
  CHECK(ring.read().size() == 4);
  ring.writer->release(ring.reader.consumed());
  CHECK(ring.append(most));
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.writer->published() == ring_bytes + frame_bytes(largest));
  CHECK(ring.read() == Texts{most});
  CHECK(ring.rounds.back() == 4);
}

TEST_CASE("with half of the ring free, any message that fits is taken, wherever the tail is") {
  for (std::size_t lead = 0; lead <= ring_bytes; lead += frame_alignment) {
    Ring ring;
    while (ring.writer->published() < lead) {
      CHECK(ring.append(""));
      ring.writer->publish(ring.next);
      ring.writer->release(ring.writer->published());
    }
    ring.writer->release(ring.writer->published() - ring_bytes / 2);
    CHECK(ring.append(std::string(largest, 'x')));
  }
}

TEST_CASE("bytes of an earlier lap are never taken for a commit") {
  Ring ring;
  for (int lap = 0; lap < 3; ++lap) {
    for (int frame = 0; frame < 4; ++frame) CHECK(ring.append(std::string(largest, 'o')));
    CHECK(ring.writer->publish(ring.next) == 4);
    ring.read();
    ring.writer->release(ring.writer->published());
  }
  // The new frames lie exactly on old ones, whose headers and bytes are still there.
  RingWriter::Claim claims[4];
  for (auto& claim : claims) REQUIRE(ring.writer->claim(largest, claim));
  CHECK(ring.writer->publish(ring.next) == 0);
  for (auto& claim : claims) ring.writer->commit(claim);
  CHECK(ring.writer->publish(ring.next) == 4);
}

TEST_CASE("counter_wraps: a ring's positions, rounds and numbers pass 2^32") {
  // Only headers are touched of frames of 16 MiB.
  constexpr std::size_t bytes = std::size_t{64} << 20;
  constexpr Round first = 0xfffffff0;
  auto writer = RingWriter::create(bytes).value();
  RingReader reader{writer->memory().data(), bytes};
  RingReader own{writer->memory().data(), bytes, &writer->log()};
  Round next = first;
  for (std::uint64_t frame = 0; frame < 300; ++frame) {
    RingWriter::Claim claim;
    REQUIRE(writer->claim(max_message_bytes(bytes), claim));
    std::memcpy(claim.message, &frame, sizeof(frame));
    writer->commit(claim);
    REQUIRE(writer->publish(next) == 1);
    REQUIRE(reader.extend(writer->published()));
    REQUIRE(own.extend(writer->published()));
    REQUIRE((reader.advance() && own.advance()));
    CHECK(reader.head_round() == first + frame);
    CHECK(own.head_round() == first + frame);
    CHECK(std::memcmp(reader.head().data(), &frame, sizeof(frame)) == 0);
    CHECK(own.head().data() == reader.head().data());
    CHECK(writer->next_number() == frame + 1);
    writer->release(reader.consumed());
  }
  CHECK(writer->published() == 300 * (bytes / 4));
  CHECK(writer->published() > std::uint64_t{1} << 32);
  CHECK(next > Round{1} << 32);
}

// Each thread's messages: its index, a count, and filling that depends on both.
struct Stamp {
  std::uint32_t thread, count;
  std::byte filling() const { return static_cast<std::byte>(thread * 101 + count); }
};

TEST_CASE(
    "threads claim and commit while the engine publishes: all arrive whole, each thread's "
    "in its order") {
  constexpr std::uint32_t threads = 3, each = 4000;
  Ring ring;
  std::vector<std::thread> senders;
  for (std::uint32_t thread = 0; thread < threads; ++thread)
    senders.emplace_back([&, thread] {
      Random random(thread);
      for (Stamp stamp{thread, 0}; stamp.count < each; ++stamp.count) {
        const std::size_t bytes = sizeof(Stamp) + random.below(random.one_in(50) ? 900 : 60);
        RingWriter::Claim claim;
        while (!ring.writer->claim(bytes, claim)) std::this_thread::yield();
        std::memcpy(claim.message, &stamp, sizeof(stamp));
        std::memset(claim.message + sizeof(stamp), std::to_integer<int>(stamp.filling()),
                    bytes - sizeof(stamp));
        ring.writer->commit(claim);
      }
    });
  std::vector<std::uint32_t> expected(threads);
  std::uint64_t published = 0, read = 0, wrong = 0;
  while (read < threads * each) {
    const std::uint64_t count = ring.writer->publish(ring.next);
    published += count;
    if (count == 0) std::this_thread::yield();
    if (!ring.reader.extend(ring.writer->published())) break;
    if (!ring.own.extend(ring.writer->published())) break;
    while (ring.reader.advance() && ring.own.advance() && ring.reader.head_round() != no_round) {
      const Bytes message = ring.reader.head();
      Stamp stamp{};
      if (message.size() < sizeof(stamp) || ring.reader.head_round() != read++ ||
          ring.own.head_round() != ring.reader.head_round()) {
        ++wrong;
        continue;
      }
      std::memcpy(&stamp, message.data(), sizeof(stamp));
      if (stamp.thread >= threads || stamp.count != expected[stamp.thread]++) ++wrong;
      for (const std::byte byte : message.subspan(sizeof(stamp))) wrong += byte != stamp.filling();
    }
    ring.writer->release(ring.reader.consumed());
  }
  for (auto& sender : senders) sender.join();
  CHECK(wrong == 0);
  CHECK(published == threads * each);
  CHECK(expected == std::vector<std::uint32_t>(threads, each));
  CHECK_FALSE(ring.writer->pending());
}

TEST_CASE("a message of any size is appended whole, and nothing beside it is touched") {
  for (std::size_t bytes = 0; bytes <= 300; ++bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes; ++at) text += static_cast<char>('a' + at % 23);
    Ring ring;
    REQUIRE(ring.append("before"));
    REQUIRE(ring.writer->append_here(as_bytes(text)));
    REQUIRE(ring.writer->append_here(as_bytes("behind")));
    ring.writer->publish(ring.next);
    CHECK(ring.read() == Texts{"before", text, "behind"});
  }
}

TEST_CASE("a word and what is behind it, of any size, are one message") {
  for (std::size_t bytes = 0; bytes <= 100; ++bytes) {
    std::string text = "a word: ";
    for (std::size_t at = 0; at < bytes; ++at) text += static_cast<char>('a' + at % 23);
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    Ring ring;
    REQUIRE(ring.writer->append_here(word, as_bytes(text).subspan(sizeof word)));
    REQUIRE(ring.writer->append_here(as_bytes("behind")));
    ring.writer->publish(ring.next);
    CHECK(ring.read() == Texts{text, "behind"});
  }
}

TEST_CASE(
    "the owner's log keeps any number of appended messages, of one size or of changing ones") {
  constexpr std::size_t bytes = std::size_t{1} << 16;
  for (const bool changing : {false, true}) {
    auto writer = RingWriter::create(bytes).value();
    RingReader peer{writer->memory().data(), bytes};
    RingReader own{writer->memory().data(), bytes, &writer->log()};
    Round next = 0, read = 0;
    for (int lap = 0; lap < 3; ++lap) {
      std::size_t appended = 0;
      while (writer->append_here(as_bytes(changing && appended % 2 == 1 ? "x" : ""))) ++appended;
      CHECK(appended > 2000);
      CHECK(writer->publish(next) == appended);
      REQUIRE(peer.extend(writer->published()));
      REQUIRE(own.extend(writer->published()));
      while (peer.advance() && own.advance() && own.head_round() != no_round) {
        REQUIRE(own.head_round() == read++);
        REQUIRE(own.head_round() == peer.head_round());
        REQUIRE(as_text(own.head()) == as_text(peer.head()));
      }
      CHECK(read == next);
      CHECK(own.consumed() == writer->published());
      writer->release(own.consumed());
    }
  }
}

TEST_CASE("a rewound ring publishes again what was lost, with new rounds, in its old order") {
  Ring ring;
  for (const char* text : {"kept", "lost 1", "lost 2"}) ring.append(text);
  ring.writer->publish(ring.next);
  CHECK(ring.writer->next_number() == 3);
  ring.append("not yet published");
  REQUIRE(ring.reader.extend(ring.writer->published()));
  REQUIRE(ring.reader.advance());
  REQUIRE(ring.reader.advance());

  ring.writer->rewind(1);
  CHECK(ring.writer->next_number() == 1);
  const Position start = ring.writer->published();
  CHECK(start == ring.reader.consumed());
  Ring next;
  next.writer = std::move(ring.writer);
  next.reader = RingReader(next.writer->memory().data(), ring_bytes, nullptr, start);
  next.own = RingReader(next.writer->memory().data(), ring_bytes, &next.writer->log(), start);
  CHECK(next.writer->publish(next.next) == 3);
  CHECK(next.read() == Texts{"lost 1", "lost 2", "not yet published"});
  CHECK(next.rounds == std::vector<Round>{0, 1, 2});
  CHECK(next.writer->next_number() == 4);
}

TEST_CASE("what its own sender had delivered beyond the trim is published again as well") {
  Ring ring;
  for (const char* text : {"kept", "lost 1", "lost 2"}) ring.append(text);
  ring.writer->publish(ring.next);
  CHECK(ring.read().size() == 3);
  ring.writer->rewind(1);
  Ring next;
  const Position start = ring.writer->published();
  next.writer = std::move(ring.writer);
  next.reader = RingReader(next.writer->memory().data(), ring_bytes, nullptr, start);
  next.own = RingReader(next.writer->memory().data(), ring_bytes, &next.writer->log(), start);
  next.writer->publish(next.next);
  CHECK(next.read() == Texts{"lost 1", "lost 2"});
}

TEST_CASE("rewinding past everything that was published loses nothing and restarts the rounds") {
  Ring ring;
  ring.append("delivered");
  ring.writer->publish(ring.next);
  CHECK(ring.read().size() == 1);
  ring.writer->rewind(17);
  CHECK_FALSE(ring.writer->pending());
  CHECK(ring.writer->next_number() == 1);
  ring.next = 0;
  ring.append("next");
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.next == 1);
}

// --- large objects

void commit_object(RingWriter& writer, std::string_view text) {
  RingWriter::Claim claim;
  REQUIRE(writer.claim(text.size(), claim));
  std::memcpy(claim.message, text.data(), text.size());
  writer.commit_object(claim);
}

TEST_CASE("an object's frame keeps its place, and is published when it may be") {
  Ring ring;
  REQUIRE(ring.append("before"));
  commit_object(*ring.writer, "object");
  REQUIRE(ring.append("behind"));
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.writer->held_up());
  CHECK(ring.writer->pending());
  CHECK(ring.read() == Texts{"before"});
  // Nothing has changed.
  CHECK(ring.writer->publish(ring.next) == 0);
  CHECK(ring.writer->held_up());
  ring.writer->pass_objects(ring.writer->published() + 1);
  CHECK(ring.writer->publish(ring.next) == 2);
  CHECK_FALSE(ring.writer->held_up());
  CHECK(ring.reader.extend(ring.writer->published()));
  CHECK(ring.own.extend(ring.writer->published()));
  for (RingReader* reader : {&ring.reader, &ring.own}) {
    REQUIRE(reader->advance());
    CHECK(reader->head_is_object());
    CHECK(as_text(reader->head()) == "object");
    CHECK(reader->head_round() == 1);
    REQUIRE(reader->advance());
    CHECK_FALSE(reader->head_is_object());
    CHECK(as_text(reader->head()) == "behind");
    CHECK(reader->head_round() == 2);
  }
}

TEST_CASE("what the turning thread appends behind an object waits with it") {
  Ring ring;
  REQUIRE(ring.writer->append_here(as_bytes("one")));
  ring.writer->end_stretch();
  commit_object(*ring.writer, "object");
  for (const auto* text : {"two", "three"}) REQUIRE(ring.writer->append_here(as_bytes(text)));
  CHECK(ring.writer->publish(ring.next) == 1);
  REQUIRE(ring.writer->append_here(as_bytes("four")));
  CHECK(ring.writer->publish(ring.next) == 0);
  CHECK(ring.read() == Texts{"one"});
  ring.writer->pass_objects(UINT64_MAX);
  CHECK(ring.writer->publish(ring.next) == 4);
  CHECK(ring.read() == Texts{"object", "two", "three", "four"});
  CHECK(ring.rounds == std::vector<Round>{0, 1, 2, 3, 4});
}

TEST_CASE("an object that a view has lost is an object in the next, and must wait anew") {
  Ring ring;
  commit_object(*ring.writer, "object");
  ring.writer->pass_objects(UINT64_MAX);
  REQUIRE(ring.writer->publish(ring.next) == 1);
  CHECK(ring.writer->next_number() == 1);
  ring.writer->rewind(0);
  CHECK(ring.writer->next_number() == 0);
  Round next = 0;
  CHECK(ring.writer->publish(next) == 0);
  CHECK(ring.writer->held_up());
  ring.writer->pass_objects(UINT64_MAX);
  CHECK(ring.writer->publish(next) == 1);
  RingReader reader(ring.writer->memory().data(), ring_bytes);
  REQUIRE(reader.extend(ring.writer->published()));
  REQUIRE(reader.advance());
  CHECK(reader.head_is_object());
}

}  // namespace
}  // namespace squall::mirror
