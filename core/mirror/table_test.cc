#include "core/mirror/table.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/mirror/fake_network.h"
#include "core/mirror/left_behind.h"

namespace squall::mirror {
namespace {

using Place = TableLayout::Place;
constexpr fabric::RegionId region{5};

struct Two {
  explicit Two(std::uint32_t wide = 1) {
    first = layout.add(1, Place::own_line);
    second = layout.add(wide, Place::packed);
    for (Rank rank = 0; rank < 2; ++rank)
      tables[rank] =
          Table::create(network.node(rank), region, layout, rank, network.peers()).value();
  }
  FakeNetwork network{2};
  TableLayout layout;
  Column first, second;
  std::unique_ptr<Table> tables[2];
};

TEST_CASE("packed columns follow one another, own_line columns share no earlier line") {
  TableLayout layout;
  CHECK(layout.row_bytes() == 64);  // an empty table still has a row
  CHECK(layout.add(1, Place::own_line).first == 0);
  CHECK(layout.add(2, Place::packed).first == 1);
  CHECK(layout.add(3, Place::own_line).first == 8);
  CHECK(layout.add(8, Place::own_line).first == 16);
  CHECK(layout.add(1, Place::own_line).first == 24);
  CHECK(layout.add(1, Place::packed).first == 25);
  CHECK(layout.row_bytes() == 256);
}

TEST_CASE("a raised counter is seen by its owner at once and by a peer once its push landed") {
  Two two;
  two.tables[0]->raise(two.first, 0, 7);
  CHECK(two.tables[0]->get(0, two.first) == 7);
  CHECK(two.network.queued(0, 1).empty());
  CHECK(two.tables[0]->push());
  CHECK(two.tables[1]->get(0, two.first) == 0);
  two.network.land();
  CHECK(two.tables[1]->get(0, two.first) == 7);
  CHECK(two.tables[1]->get(1, two.first) == 0);
}

TEST_CASE("nothing raised, nothing pushed") {
  Two two;
  CHECK_FALSE(two.tables[0]->push(true));
  two.tables[0]->raise(two.first, 0, 1);
  CHECK(two.tables[0]->push());
  CHECK_FALSE(two.tables[0]->push(true));
  CHECK(two.network.queued(0, 1).size() == 1);
}

TEST_CASE("a push is the lines that were raised, always the same ranges") {
  // A fabric may replace an unsent push by a newer one of the same range, behind what came between:
  // with other ranges on a line, a counter would get past the one beside it.
  Two two(20);
  two.tables[0]->raise(two.second, 4, 1);
  two.tables[0]->raise(two.second, 2, 1);
  REQUIRE(two.tables[0]->push());
  REQUIRE(two.network.queued(0, 1).size() == 1);
  CHECK(two.network.queued(0, 1)[0].offset == 0);
  CHECK(two.network.queued(0, 1)[0].bytes.size() == cache_line_bytes);
  two.tables[0]->raise(two.second, 9, 1);
  REQUIRE(two.tables[0]->push());
  REQUIRE(two.network.queued(0, 1).size() == 2);
  CHECK(two.network.queued(0, 1)[1].offset == cache_line_bytes);
  CHECK(two.network.queued(0, 1)[1].bytes.size() == cache_line_bytes);
}

TEST_CASE("a quiet counter waits for another one, or to be asked for") {
  Two two;
  two.tables[0]->raise_quietly(two.first, 0, 3);
  CHECK(two.tables[0]->has_quiet());
  CHECK_FALSE(two.tables[0]->push());
  two.tables[0]->raise(two.second, 0, 1);
  CHECK(two.tables[0]->push());
  CHECK_FALSE(two.tables[0]->has_quiet());
  two.network.land();
  CHECK(two.tables[1]->get(0, two.first) == 3);

  two.tables[0]->raise_quietly(two.first, 0, 4);
  CHECK(two.tables[0]->push(true));
  two.network.land();
  CHECK(two.tables[1]->get(0, two.first) == 4);
}

TEST_CASE("a wide row leaves in pieces that the fabric copies, none with half a counter") {
  Two two(100);
  two.tables[0]->raise(two.first, 0, 1);
  for (std::uint32_t index = 0; index < 100; ++index)
    two.tables[0]->raise(two.second, index, 1000 + index);
  REQUIRE(two.tables[0]->push());
  CHECK(two.network.queued(0, 1).size() == 13);  // 101 counters, 8 a line
  for (const FakePush& push : two.network.queued(0, 1)) {
    CHECK(push.bytes.size() <= 256);
    CHECK(push.offset % 8 == 0);
    CHECK(push.bytes.size() % 8 == 0);
  }
  // Any prefix of the pieces leaves each counter old or new.
  while (two.network.land(0, 1, 1) != 0)
    for (std::uint32_t index = 0; index < 100; ++index) {
      const auto value = two.tables[1]->get(0, two.second, index);
      CHECK((value == 0 || value == 1000 + index));
    }
  CHECK(two.tables[1]->get(0, two.second, 99) == 1099);
}

TEST_CASE("counter_on_two_cache_lines: none is, whatever columns a row has, and no push cuts one") {
  Random random(3);
  for (int round = 0; round < 50; ++round) {
    FakeNetwork network(2);
    TableLayout layout;
    std::vector<Column> columns;
    for (std::uint64_t count = 1 + random.below(6); columns.size() < count;)
      columns.push_back(layout.add(static_cast<std::uint32_t>(1 + random.below(20)),
                                   random.one_in(2) ? Place::own_line : Place::packed));
    CHECK(layout.row_bytes() % cache_line_bytes == 0);
    std::unique_ptr<Table> tables[2];
    for (Rank rank = 0; rank < 2; ++rank)
      tables[rank] =
          Table::create(network.node(rank), region, layout, rank, network.peers()).value();
    for (const Column column : columns)
      for (std::uint32_t index = 0; index < column.count; ++index) {
        tables[0]->raise(column, index, 1);
        REQUIRE(tables[0]->push());
        // What was pushed are whole lines, and this counter's is among them.
        const std::size_t begin = (column.first + index) * sizeof(std::uint64_t);
        const std::size_t end = begin + sizeof(std::uint64_t);
        CHECK(begin / cache_line_bytes == (end - 1) / cache_line_bytes);
        REQUIRE(network.queued(0, 1).size() == 1);
        const FakePush& push = network.queued(0, 1).front();
        CHECK(push.offset == begin / cache_line_bytes * cache_line_bytes);
        CHECK(push.bytes.size() == cache_line_bytes);
        network.land();
        CHECK(tables[1]->get(0, column, index) == 1);
      }
  }
}

TEST_CASE("counter_on_two_cache_lines: a counter is never seen torn while its owner raises it") {
  // Torn anywhere, its halves do not fit.
  const auto stamp = [](std::uint64_t value) { return value << 32 | (~value & 0xffffffff); };
  const auto whole = [](std::uint64_t word) {
    return word == 0 || word >> 32 == (~word & 0xffffffff);
  };
  constexpr std::uint64_t last = 20'000;
  Two two(20);
  std::atomic<bool> stop{false};
  std::uint64_t torn = 0, backward = 0;
  std::thread reader([&] {
    std::vector<std::uint64_t> before(20);
    while (!stop.load(std::memory_order_relaxed))
      for (std::uint32_t index = 0; index < before.size(); ++index) {
        const std::uint64_t seen = two.tables[0]->get(0, two.second, index);
        torn += !whole(seen);
        backward += seen < before[index];
        before[index] = seen;
      }
  });
  for (std::uint64_t value = 1; value <= last; ++value)
    for (std::uint32_t index = 0; index < 20; ++index)
      two.tables[0]->raise(two.second, index, stamp(value));
  stop = true;
  reader.join();
  CHECK(torn == 0);
  CHECK(backward == 0);
}

TEST_CASE("a table's memory is its own: none has ever been another's") {
  // Who was left behind with the table of an earlier view reads on in it.
  Two two;
  two.tables[0]->raise(two.first, 0, 7);
  const LeftBehind left_behind(*two.network.memory(0, region), 64, 0, 64);
  for (int view = 0; view < 3; ++view) {
    two.tables[0].reset();
    two.tables[0] =
        Table::create(two.network.node(0), region, two.layout, 0, two.network.peers()).value();
    CHECK(two.tables[0]->get(0, two.first) == 0);
    two.tables[0]->raise(two.first, 0, 8);
  }
  CHECK(left_behind.disturbed() == 0);
}

TEST_CASE("a peer that has just attached gets the whole row, quiet and unpushed counters too") {
  Two two(40);
  two.tables[0]->raise(two.first, 0, 9);
  two.tables[0]->raise_quietly(two.second, 39, 8);
  two.tables[0]->push_to(fabric::PeerId{1});
  two.network.land();
  CHECK(two.tables[1]->get(0, two.first) == 9);
  CHECK(two.tables[1]->get(0, two.second, 39) == 8);
}

TEST_CASE(
    "whatever a peer raises, the sum of what peers show differs; what is raised here does not") {
  Two two(2);
  const Column both{two.first.first, two.second.first + two.second.count - two.first.first};
  const std::uint64_t before = two.tables[1]->shown(both);
  two.tables[1]->raise(two.first, 0, 5);
  CHECK(two.tables[1]->shown(both) == before);
  two.tables[0]->raise(two.second, 1, 1);
  two.tables[0]->push();
  two.network.land();
  CHECK(two.tables[1]->shown(both) == before + 1);
}

TEST_CASE("counter_wraps: counters are 64 bits wide, pass 2^32 and reach the top") {
  Two two;
  for (const std::uint64_t value : {0xffffffffull, 0x100000000ull, ~0ull}) {
    two.tables[0]->raise(two.first, 0, value);
    two.tables[0]->push();
    two.network.land();
    CHECK(two.tables[1]->get(0, two.first) == value);
  }
}

TEST_CASE("a table's region is exposed for as long as the table lives") {
  Two two;
  CHECK(two.network.exposed(0, region));
  two.tables[0].reset();
  CHECK_FALSE(two.network.exposed(0, region));
  CHECK(two.network.exposed(1, region));
}

}  // namespace
}  // namespace squall::mirror
