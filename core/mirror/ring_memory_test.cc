// Rings that go on in other memory, while claims are held and those who were left behind read on.
#include "core/mirror/ring_memory.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/mirror/left_behind.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/ring_writer.h"

namespace squall::mirror {
namespace {

constexpr std::size_t smallest_ring = 4096;

using Claim = RingWriter::Claim;
using Texts = std::vector<std::string>;

struct SharedRing {
  Claim claim(std::size_t bytes) {
    Claim claim;
    REQUIRE(writer->claim(bytes, claim));
    return claim;
  }
  void commit(const Claim& claim, std::string_view text) {
    std::memcpy(claim.message, text.data(), text.size());
    writer->commit(claim);
  }
  void append(std::string_view text) { commit(claim(text.size()), text); }
  void publish() { writer->publish(next); }
  /// What the members of this view find, and what its owner delivers.
  Texts read() {
    Texts found;
    CHECK(reader->extend(writer->published()));
    CHECK(own->extend(writer->published()));
    while (reader->advance() && own->advance() && reader->head_round() != no_round) {
      CHECK(own->head_round() == reader->head_round());
      CHECK(as_text(own->head()) == as_text(reader->head()));
      found.emplace_back(as_text(reader->head()));
      ++read_rounds;
    }
    return found;
  }
  Texts publish_and_read() {
    publish();
    return read();
  }
  void release() {
    acknowledged = reader->consumed();
    writer->release(acknowledged);
  }
  /// A message as large as the ring takes, again and again.
  void lap(int times) {
    const std::string quarter(max_message_bytes(smallest_ring), 'x');
    for (int message = 0; message < 4 * times; ++message) {
      append(quarter);
      CHECK(publish_and_read().size() == 1);
      release();
    }
  }
  /// The next view, without a member that reads on in what it has not acknowledged. What was not
  /// read is trimmed.
  void expel() {
    left_behind.emplace_back(writer->memory(), smallest_ring, acknowledged, writer->published());
    writer->rewind(read_rounds);
    REQUIRE(writer->renew());
    begin();
  }
  void begin() {
    next = read_rounds = 0;
    const Position start = acknowledged = writer->published();
    reader.emplace(writer->memory().data(), smallest_ring, nullptr, start);
    own.emplace(writer->memory().data(), smallest_ring, &writer->log(), start);
  }
  void check_left_behind() const {
    for (const LeftBehind& each : left_behind) CHECK(each.disturbed() == 0);
  }

  std::unique_ptr<RingWriter> writer = RingWriter::create(smallest_ring).value();
  std::optional<RingReader> reader{RingReader(writer->memory().data(), smallest_ring)};
  std::optional<RingReader> own{RingReader(writer->memory().data(), smallest_ring, &writer->log())};
  Round next = 0;
  Round read_rounds = 0;
  Position acknowledged = 0;
  std::vector<LeftBehind> left_behind;
};

/// How many rings this process has mapped.
std::size_t mapped_rings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("memfd:squall") != std::string::npos;
  return count;
}

TEST_CASE("who was left behind reads what it read, however often the ring is lapped") {
  SharedRing ring;
  ring.append("acknowledged");
  ring.publish();
  ring.read();
  ring.release();
  for (const char* text : {"being delivered", "deliverable", "also"}) ring.append(text);
  CHECK(ring.publish_and_read().size() == 3);
  ring.expel();
  ring.lap(5);
  ring.check_left_behind();
}

TEST_CASE("what was trimmed comes again in the new memory, its old rounds stay in the old") {
  SharedRing ring;
  for (const char* text : {"kept", "trimmed 1"}) ring.append(text);
  ring.publish();
  REQUIRE(ring.reader->extend(ring.writer->published()));
  REQUIRE(ring.reader->advance());
  REQUIRE(ring.reader->advance());
  ring.read_rounds = 1;
  ring.append("not yet published");
  REQUIRE(ring.writer->append_here(as_bytes("appended")));
  ring.expel();
  CHECK(ring.writer->next_number() == 1);
  REQUIRE(ring.writer->append_here(as_bytes("in the new view")));
  CHECK(ring.publish_and_read() ==
        Texts{"trimmed 1", "not yet published", "appended", "in the new view"});
  ring.release();
  ring.lap(3);
  ring.check_left_behind();
}

TEST_CASE("a claim that is held meanwhile is published as it was filled, before and after") {
  SharedRing ring;
  ring.append("read");
  CHECK(ring.publish_and_read() == Texts{"read"});
  const Claim held = ring.claim(8);
  std::memcpy(held.message, "half", 4);
  Claim here;
  REQUIRE(ring.writer->claim_here(4, here));
  const Claim given_up = ring.claim(100);
  ring.append("behind");
  ring.expel();
  ring.append("later");
  CHECK(ring.publish_and_read().empty());
  std::memcpy(held.message + 4, "full", 4);
  ring.writer->commit(held);
  ring.writer->cancel(given_up);
  ring.commit(here, "here");
  CHECK(ring.publish_and_read() == Texts{"halffull", "here", "behind", "later"});
  ring.release();
  ring.lap(3);
  ring.check_left_behind();
}

TEST_CASE("the old memory is given up with the last claim in it, at once if there is none") {
  const std::size_t before = mapped_rings();
  {
    SharedRing ring;
    CHECK(mapped_rings() == before + 1);
    ring.writer->rewind(0);
    REQUIRE(ring.writer->renew());
    ring.begin();
    ring.publish();
    CHECK(mapped_rings() == before + 1);
    const Claim held = ring.claim(1);
    ring.writer->rewind(0);
    REQUIRE(ring.writer->renew());
    ring.begin();
    ring.append("behind it");
    ring.publish();
    CHECK(mapped_rings() == before + 2);
    ring.commit(held, "1");
    CHECK(ring.publish_and_read() == Texts{"1", "behind it"});
    ring.publish();
    CHECK(mapped_rings() == before + 1);
  }
  CHECK(mapped_rings() == before);
}

TEST_CASE("a claim may be held across any number of expulsions: nothing is lost, nothing grows") {
  const std::size_t before = mapped_rings();
  SharedRing ring;
  ring.append("first");
  CHECK(ring.publish_and_read() == Texts{"first"});
  ring.release();
  const Claim held = ring.claim(4);
  Texts expected{"held"};
  for (int view = 0; view < 10; ++view) {
    // Published before it, and read, but not acknowledged: what the next one to be left behind
    // reads.
    if (view == 0) ring.append("second"), expected.emplace_back("second");
    ring.expel();
    expected.push_back("view " + std::to_string(view));
    ring.append(expected.back());
    CHECK(ring.publish_and_read().empty());
    ring.release();
    CHECK(mapped_rings() - ring.left_behind.size() <= before + 3);
  }
  ring.commit(held, "held");
  CHECK(ring.publish_and_read() == expected);
  // From here on claims go to what is shown, and space comes back.
  ring.release();
  ring.lap(5);
  CHECK(mapped_rings() - ring.left_behind.size() == before + 1);
  ring.check_left_behind();
}

TEST_CASE("while a claim from two views ago is held, no space comes back that could be read") {
  SharedRing ring;
  const std::string quarter(max_message_bytes(smallest_ring), 'q');
  ring.append(quarter);
  ring.publish();  // to be trimmed
  const Claim held = ring.claim(16);
  ring.expel();
  CHECK(ring.publish_and_read() == Texts{quarter});  // and is not acknowledged by the next
  ring.expel();
  ring.release();
  Claim claim;
  while (ring.writer->claim(100, claim)) {
    std::memset(claim.message, 'w', 100);
    ring.writer->commit(claim);
  }
  ring.check_left_behind();
  ring.commit(held, std::string(16, 'h'));
  const Texts got = ring.publish_and_read();
  CHECK(got.size() > 10);
  CHECK(got.front() == std::string(16, 'h'));
  ring.release();
  ring.lap(3);
  ring.check_left_behind();
}

TEST_CASE("what has once come to the new memory is not taken for what lies in an older one") {
  for (const bool expels : {false, true}) {
    SharedRing ring;
    const Claim first = ring.claim(1);
    ring.append("a");
    ring.expel();
    const Claim second = ring.claim(1);
    ring.append("b");
    ring.expel();
    ring.commit(first, "1");
    CHECK(ring.publish_and_read() == Texts{"1", "a"});
    // All of it is trimmed, and what held up the first memory is gone.
    ring.read_rounds = 0;
    if (expels) {
      ring.expel();
    } else {
      ring.writer->rewind(0);
      ring.begin();
    }
    CHECK(ring.publish_and_read() == Texts{"1", "a"});
    ring.commit(second, "2");
    CHECK(ring.publish_and_read() == Texts{"2", "b"});
    ring.release();
    ring.lap(3);
    ring.check_left_behind();
  }
}

// Each thread's messages: its index, a count, and filling that depends on both.
struct Numbered {
  std::uint32_t thread, count;
  std::byte filling() const { return static_cast<std::byte>(thread * 101 + count); }
};

/// Sends so many, up to three at once, which it fills and commits in any order.
void send_some(RingWriter& writer, std::uint32_t thread, std::uint32_t messages) {
  Random random(thread);
  for (std::uint32_t sent = 0; sent < messages;) {
    std::vector<std::pair<Claim, Numbered>> claims;
    for (std::uint64_t wanted = 1 + random.below(3); claims.size() < wanted && sent < messages;) {
      const std::size_t bytes = sizeof(Numbered) + random.below(random.one_in(50) ? 900 : 60);
      Claim claim;
      if (writer.claim(bytes, claim)) {
        claims.push_back({claim, {thread, sent++}});
      } else {
        std::this_thread::yield();
        if (!claims.empty()) break;
      }
    }
    while (!claims.empty()) {
      std::swap(claims[random.below(claims.size())], claims.back());
      const auto& [claim, stamp] = claims.back();
      std::memcpy(claim.message, &stamp, sizeof(stamp));
      if (random.one_in(4)) std::this_thread::yield();
      std::memset(claim.message + sizeof(stamp), std::to_integer<int>(stamp.filling()),
                  claim.message_bytes - sizeof(stamp));
      writer.commit(claim);
      claims.pop_back();
    }
  }
}

TEST_CASE(
    "threads claim and commit while view after view expels somebody: all arrive whole and in "
    "order, and who is left behind sees none of it") {
  constexpr std::uint32_t threads = 3, each = 3000;
  SharedRing ring;
  std::vector<std::thread> senders;
  for (std::uint32_t thread = 0; thread < threads; ++thread)
    senders.emplace_back([&, thread] { send_some(*ring.writer, thread, each); });
  std::vector<std::uint32_t> expected(threads);
  std::uint64_t read = 0, wrong = 0;
  Random random(7);
  while (read < threads * each && wrong == 0) {
    if (ring.writer->publish(ring.next) == 0) std::this_thread::yield();
    wrong += !ring.reader->extend(ring.writer->published());
    wrong += !ring.own->extend(ring.writer->published());
    for (std::uint64_t left = random.below(40); left > 0 && wrong == 0; --left) {
      wrong += !ring.reader->advance() || !ring.own->advance();
      const Bytes message = ring.reader->head();
      if (wrong != 0 || ring.reader->head_round() == no_round) break;
      wrong += ring.reader->head_round() != ring.read_rounds++;
      wrong += ring.own->head().data() != message.data() || message.size() < sizeof(Numbered);
      if (wrong != 0) break;
      Numbered stamp{};
      std::memcpy(&stamp, message.data(), sizeof(stamp));
      wrong += stamp.thread >= threads || stamp.count != expected[stamp.thread]++;
      for (const std::byte byte : message.subspan(sizeof(stamp))) wrong += byte != stamp.filling();
      ++read;
    }
    if (random.one_in(3)) ring.release();
    if (random.one_in(20)) {
      ring.expel();
      if (ring.left_behind.size() == 16) {
        ring.check_left_behind();
        ring.left_behind.clear();
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(expected == std::vector<std::uint32_t>(threads, each));
  if (wrong != 0) std::abort();  // the senders would wait for ever
  for (auto& sender : senders) sender.join();
  ring.check_left_behind();
}

}  // namespace
}  // namespace squall::mirror
