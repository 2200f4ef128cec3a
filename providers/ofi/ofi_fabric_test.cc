// What two nodes say to each other: messages, regions and counters, whole and in order, and what
// becomes of them when a link ends or a lane is full.
#include "providers/ofi/ofi_fabric.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "providers/ofi/ofi_test_kit.h"

namespace squall::ofi {
namespace {

TEST_CASE("messages of every size arrive whole and in order, and their tokens come back") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    const std::vector<std::size_t> sizes{0, 1, 8, 256, 257, 4096, 65536, max_message_bytes, 3};
    std::vector<std::string> sent;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      sent.emplace_back(sizes[i], static_cast<char>('a' + i));
    for (std::size_t i = 0; i < sent.size(); ++i)
      REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::urgent, as_bytes(sent[i]), i + 1));
    const std::string large(max_message_bytes + 1, 'x');
    CHECK(pair.a.fabric->send(pair.b_at_a, Lane::urgent, as_bytes(large), 1).error().code ==
          Code::too_large);
    REQUIRE(pair.until([&] {
      return pair.b.count(Kind::message) == sent.size() &&
             pair.a.count(Kind::completed) == sent.size();
    }));
    std::size_t at = 0;
    for (const Kept& kept : pair.b.log)
      if (kept.event.kind == Kind::message) CHECK((kept.bytes == sent[at++]));
    std::uint64_t token = 0;
    for (const Kept& kept : pair.a.log)
      if (kept.event.kind == Kind::completed) {
        // Each once; across sizes providers complete in any order.
        CHECK((token & 1ull << kept.event.token) == 0);
        token |= 1ull << kept.event.token;
        CHECK(kept.event.ok);
      }
  }
}

TEST_CASE("a region reaches whoever imported it, before or after it was exposed") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    Memory early = memory(1 << 20), late = memory(4096);
    REQUIRE(pair.a.fabric->expose(RegionId{1}, early));
    const auto replica = pair.b.fabric->import(pair.a_at_b, RegionId{1}, 1 << 20);
    const auto waiting = pair.b.fabric->import(pair.a_at_b, RegionId{2}, 4096);
    REQUIRE(replica);
    REQUIRE(waiting);
    CHECK(reinterpret_cast<std::uintptr_t>(*replica) % 4096 == 0);
    CHECK(load(*replica) == 0);
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
    REQUIRE(pair.a.fabric->expose(RegionId{2}, late));
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 2; }));

    for (std::size_t i = 4096; i < early.size(); ++i)
      early.data()[i] = static_cast<std::byte>(i * 13);
    REQUIRE(pair.a.fabric->push(RegionId{1}, 4096, early.size() - 4096, Lane::bulk, 7));
    REQUIRE(pair.until([&] { return pair.a.count(Kind::completed) == 1; }));
    CHECK(pair.a.last(Kind::completed)->event.token == 7);
    store(early.data(), 1);
    REQUIRE(pair.a.fabric->push(RegionId{1}, 0, 8, Lane::bulk));
    store(late.data() + 8, 2);
    REQUIRE(pair.a.fabric->push_to(pair.b_at_a, RegionId{2}, 8, 8, Lane::urgent, 8));
    REQUIRE(pair.until([&] { return load(*replica) == 1 && load(*waiting + 8) == 2; }));
    CHECK(std::memcmp(*replica + 4096, early.data() + 4096, early.size() - 4096) == 0);

    CHECK(pair.a.fabric->push(RegionId{1}, early.size(), 1, Lane::bulk).error().code ==
          Code::invalid);
    CHECK(pair.a.fabric->push(RegionId{9}, 0, 1, Lane::bulk).error().code == Code::invalid);
  }
}

TEST_CASE("counters stay behind the ring bytes that they publish, under a flood") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    constexpr std::size_t ring_at = 4096, ring_bytes = 1 << 16;
    Memory mine = memory(ring_at + ring_bytes);
    Memory back = memory(4096);
    REQUIRE(pair.a.fabric->expose(region, mine));
    REQUIRE(pair.b.fabric->expose(region, back));
    const auto replica = pair.b.fabric->import(pair.a_at_b, region, mine.size());
    const auto acknowledged = pair.a.fabric->import(pair.b_at_a, region, 4096);
    REQUIRE(pair.until(
        [&] { return pair.a.count(Kind::attached) == 1 && pair.b.count(Kind::attached) == 1; }));

    std::uint64_t appended = 0, seen = 0;
    const std::uint64_t goal = 4'000'000;
    bool right = true;
    REQUIRE(pair.until([&] {
      const std::uint64_t room = ring_bytes - (appended - load(*acknowledged));
      const std::size_t count = std::min<std::uint64_t>({room, goal - appended, 3000});
      for (std::size_t i = 0; i < count; ++i)
        mine.data()[ring_at + (appended + i) % ring_bytes] =
            static_cast<std::byte>((appended + i) * 7);
      const std::size_t at = appended % ring_bytes, first = std::min(count, ring_bytes - at);
      if (first != 0) CHECK(pair.a.fabric->push(region, ring_at + at, first, Lane::urgent));
      if (first != count) CHECK(pair.a.fabric->push(region, ring_at, count - first, Lane::urgent));
      if (count != 0) {
        appended += count;
        store(mine.data(), appended);
        CHECK(pair.a.fabric->push(region, 0, 8, Lane::urgent));
      }
      const std::uint64_t published = load(*replica);
      const std::byte* ring = *replica + ring_at;
      if (published != seen) {
        for (; seen < published; ++seen)
          right = right && ring[seen % ring_bytes] == static_cast<std::byte>(seen * 7);
        store(back.data(), seen);
        CHECK(pair.b.fabric->push(region, 0, 8, Lane::urgent));
      }
      return seen == goal;
    }));
    CHECK(right);
  }
}

TEST_CASE("another thread that polls counters never sees one torn or going back") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    Memory mine = memory(4096);
    REQUIRE(pair.a.fabric->expose(region, mine));
    const auto replica = pair.b.fabric->import(pair.a_at_b, region, 4096);
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
    constexpr std::uint64_t step = 0x0000'0001'0000'0001, goal = 20'000;
    std::atomic<bool> stop = false;
    std::uint64_t bad = 0;
    std::thread reader([&, at = *replica] {
      std::array<std::uint64_t, 4> last{};
      while (!stop)
        for (std::size_t i = 0; i < last.size(); ++i) {
          const std::uint64_t value = load(at + 64 * i);
          if (value < last[i] || value >> 32 != (value & 0xffff'ffff)) ++bad;
          last[i] = value;
        }
    });
    std::uint64_t round = 0;
    const bool arrived = pair.until([&] {
      if (round < goal) {
        ++round;
        for (std::size_t i = 0; i < 4; ++i) {
          store(mine.data() + 64 * i, round * step);
          CHECK(pair.a.fabric->push(region, 64 * i, 8, Lane::urgent));
        }
      }
      return load(*replica + 192) == goal * step;
    });
    stop = true;
    reader.join();
    CHECK(arrived);
    CHECK(bad == 0);
  }
}

TEST_CASE("import of more than the region has loses the owner at the importer, by name") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    Memory mine = memory(4096);
    REQUIRE(pair.a.fabric->expose(region, mine));
    REQUIRE(pair.b.fabric->import(pair.a_at_b, region, 8192));
    REQUIRE(pair.until([&] { return pair.b.count(Kind::lost) == 1; }));
    const Kept* lost = pair.b.last(Kind::lost);
    CHECK_MESSAGE(lost->text.find("4096 bytes") != std::string::npos, lost->text);
    pair.b.fabric->disconnect(pair.a_at_b);
    pair.b.fabric->disconnect(pair.a_at_b);
    pair.b.fabric->forget(pair.a_at_b);
  }
}

TEST_CASE("after disconnect the replica stays as it was, and all tokens have come back") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    Memory mine = memory(1 << 20);
    REQUIRE(pair.a.fabric->expose(region, mine));
    const auto replica = pair.b.fabric->import(pair.a_at_b, region, 1 << 20);
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
    store(mine.data(), 5);
    REQUIRE(pair.a.fabric->push(region, 0, 8, Lane::urgent));
    REQUIRE(pair.until([&] { return load(*replica) == 5; }));
    // In flight when b cuts the line: b does not turn meanwhile.
    const std::string large(max_message_bytes, 'x');
    std::size_t tokens = 0;
    for (int i = 0; i < 40; ++i) {
      store(mine.data(), 6);
      REQUIRE(pair.a.fabric->push(region, 0, mine.size(), Lane::urgent, ++tokens));
      if (pair.a.fabric->send(pair.b_at_a, Lane::bulk, as_bytes(large), tokens + 1)) ++tokens;
      pair.a.turn();
    }
    pair.b.fabric->disconnect(pair.a_at_b);
    if (pair.a.fabric->capabilities().detects_loss) {
      REQUIRE(pair.until([&] { return pair.a.count(Kind::lost) == 1; }));
      CHECK(pair.a.fabric->send(pair.b_at_a, Lane::bulk, as_bytes("x"), 1).error().code ==
            Code::lost);
    }
    pair.a.fabric->disconnect(pair.b_at_a);
    REQUIRE(pair.until([&] { return pair.a.count(Kind::completed) == tokens; }));
    for (int i = 0; i < 100; ++i) {
      pair.a.turn();
      pair.b.turn();
    }
    CHECK(pair.a.count(Kind::completed) == tokens);
    CHECK(load(*replica) == 5);
    CHECK(pair.b.count(Kind::lost) == 0);
    pair.b.fabric->forget(pair.a_at_b);
    // The same two nodes meet again.
    pair.ticket[0] = std::byte{43};
    REQUIRE(pair.a.fabric->connect(pair.b.fabric->address(), pair.ticket));
    REQUIRE(pair.b.fabric->connect(pair.a.fabric->address(), pair.ticket));
    CHECK(pair.until(
        [&] { return pair.a.count(Kind::connected) == 2 && pair.b.count(Kind::connected) == 2; }));
  }
}

TEST_CASE("full lanes give every token back when the peer is cut off") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    Memory mine = memory(1 << 16);
    REQUIRE(pair.a.fabric->expose(region, mine));
    REQUIRE(pair.b.fabric->import(pair.a_at_b, region, 1 << 16));
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
    const std::string text(1000, 'x');
    std::uint64_t last = 0;
    bool full[2] = {};
    for (int i = 0; i < 100'000 && !(full[0] && full[1]); ++i) {
      for (const Lane lane : {Lane::urgent, Lane::bulk}) {
        full[static_cast<int>(lane)] =
            !pair.a.fabric->send(pair.b_at_a, lane, as_bytes(text), last + 1);
        if (!full[static_cast<int>(lane)]) ++last;
      }
      if (i % 16 != 0) continue;
      REQUIRE(pair.a.fabric->push(region, 0, 8, Lane::urgent, ++last));
      REQUIRE(pair.a.fabric->push(region, 4096, 16384, Lane::bulk, ++last));
      pair.a.turn();
    }
    pair.a.fabric->disconnect(pair.b_at_a);
    for (int i = 0; i < 10'000 && pair.a.count(Kind::completed) != last; ++i) pair.a.turn();
    std::vector<int> times(last + 1);
    for (const Kept& kept : pair.a.log)
      if (kept.event.kind == Kind::completed) ++times[kept.event.token];
    times[0] = 1;
    CHECK(std::count(times.begin(), times.end(), 1) == static_cast<long>(last + 1));
    std::string missing;
    for (std::size_t i = 0; i < times.size(); ++i)
      if (times[i] != 1) missing += fmt::format(" {}:{}", i, times[i]);
    CHECK_MESSAGE(missing.empty(), missing);
  }
}

TEST_CASE("a region can be concealed and freed while the peer has not taken it yet") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    const std::byte* replica = nullptr;
    std::vector<std::byte> expected;
    {
      Memory mine = memory(8 << 20);
      for (std::size_t i = 0; i < mine.size(); ++i) mine.data()[i] = static_cast<std::byte>(i * 7);
      expected.assign(mine.data(), mine.data() + mine.size());
      REQUIRE(pair.a.fabric->expose(region, mine));
      replica = *pair.b.fabric->import(pair.a_at_b, region, mine.size());
      REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
      REQUIRE(pair.a.fabric->push(region, 0, mine.size(), Lane::urgent, 9));
      // More than the sockets hold; b does not turn.
      for (int i = 0; i < 100; ++i) pair.a.turn();
      pair.a.fabric->conceal(region);
    }
    REQUIRE(pair.until([&] { return pair.a.count(Kind::completed) == 1; }));
    REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::urgent, as_bytes("end")));
    REQUIRE(pair.until([&] { return pair.b.count(Kind::message) == 1; }));
    CHECK(pair.a.count(Kind::lost) + pair.b.count(Kind::lost) == 0);
    // A front part of it came, and nothing else.
    std::size_t same = 0;
    while (same < expected.size() && replica[same] == expected[same]) ++same;
    CHECK(same >= 4096);
    bool rest_is_zero = true;
    for (std::size_t i = same; i < expected.size(); ++i)
      rest_is_zero = rest_is_zero && replica[i] == std::byte{0};
    CHECK(rest_is_zero);
  }
}

TEST_CASE("a peer that takes nothing fills the lane: would_block, then room again") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    const std::string large(100'000, 'x');
    std::size_t sent = 0;
    for (; sent < 100'000; ++sent) {
      const auto queued = pair.a.fabric->send(pair.b_at_a, Lane::bulk, as_bytes(large));
      if (!queued) {
        CHECK(queued.error().code == Code::would_block);
        break;
      }
      pair.a.turn();
    }
    REQUIRE(sent < 100'000);
    // Urgent passes it by.
    REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::urgent, as_bytes("now")));
    REQUIRE(pair.until([&] { return pair.b.count(Kind::message) == sent + 1; }));
    REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::bulk, as_bytes(large)));
    REQUIRE(pair.until([&] { return pair.b.count(Kind::message) == sent + 2; }));
  }
}

}  // namespace
}  // namespace squall::ofi
