// A state from donors to a loader: in pieces, in order, over members that die, lose and refuse.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/engine/donor.h"
#include "core/engine/loader.h"
#include "core/engine/state_wire.h"

namespace squall::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t piece_bytes = 1000;
constexpr ViewId first_view{5};
const Member joiner{NodeId{9}, Incarnation{2}, "j"};

StateSource source_of(std::string text) {
  return [text = std::move(text), at = std::size_t{0}](MutableBytes to) mutable {
    // In portions of its own, as files come.
    const std::size_t count = std::min({to.size(), text.size() - at, std::size_t{300}});
    std::copy_n(as_bytes(text).data() + at, count, to.data());
    at += count;
    return Result<std::size_t>(count);
  };
}

std::string text_of(std::size_t bytes, char first = 'a') {
  std::string text(bytes, first);
  for (std::size_t at = 0; at < bytes; ++at) text[at] = static_cast<char>(first + at * 7 % 23);
  return text;
}

/// Members 0, 1, 2 hold states; rank 3 loads.
struct World {
  struct Piece {
    Rank from;
    std::vector<std::byte> bytes;
  };
  Time now{};
  std::vector<std::unique_ptr<Donor>> donors;
  std::deque<Piece> wire;
  RankSet alive = RankSet::all(3);
  Random random{7};
  unsigned lose_one_in = 0;
  std::size_t room = 100;  // pieces on the wire
  Loader loader{2, 50ms};
  std::string got[2];
  bool whole[2] = {false, false};

  explicit World(const std::vector<std::string>& states) {
    for (Rank rank = 0; rank < 3; ++rank) {
      donors.push_back(std::make_unique<Donor>(
          piece_bytes, [this, rank](const Member&, const StatePiece& piece) {
            if (wire.size() >= room) return false;
            if (lose_one_in == 0 || !random.one_in(lose_one_in))
              wire.push_back({rank, encode(piece)});
            return true;
          }));
      if (!states[rank].empty())
        donors[rank]->hold(joiner, first_view, {source_of(states[rank]), source_of("")});
    }
    loader.want(0, first_view);
    loader.want(1, first_view);
  }
  void open(std::uint32_t channel) {
    loader.open(channel, [this, channel](Bytes piece, bool last) {
      got[channel] += as_text(piece);
      whole[channel] = last;
      return Result<>();
    });
  }
  void turn() {
    if (auto ask = loader.turn(now, alive, alive); ask && alive.contains(ask->to)) {
      const auto request = decode_state_request(encode(ask->request));
      REQUIRE(request);
      if (lose_one_in == 0 || !random.one_in(lose_one_in))
        donors[ask->to]->requested(joiner, *request);
    }
    for (Rank rank = 0; rank < 3; ++rank)
      if (alive.contains(rank)) donors[rank]->turn();
    for (std::size_t count = wire.size() / 2 + 1; count > 0 && !wire.empty(); --count) {
      const auto piece = decode_state_piece(wire.front().bytes);
      REQUIRE(piece);
      if (alive.contains(wire.front().from)) loader.received(wire.front().from, *piece, now);
      wire.pop_front();
    }
    now += 1ms;
  }
  void run() {
    for (int count = 0; count < 100'000 && !loader.done() && !loader.failure(); ++count) turn();
  }
};

TEST_CASE("a state arrives whole and in order, and a group without one arrives empty") {
  const std::string state = text_of(3'000'000);
  World world({state, state, state});
  CHECK_FALSE(world.loader.loading());
  world.open(0);
  CHECK(world.loader.loading());
  world.open(1);
  world.run();
  CHECK(world.loader.done());
  CHECK_FALSE(world.loader.loading());
  CHECK(world.got[0] == state);
  CHECK(world.whole[0]);
  CHECK(world.got[1].empty());
  CHECK(world.whole[1]);
}

TEST_CASE("whoever wants no state is done at once") {
  World world({"x", "x", "x"});
  for (const std::uint32_t channel : {0u, 1u}) world.loader.open(channel, {});
  CHECK(world.loader.done());
}

TEST_CASE("lost requests and pieces are asked for again") {
  const std::string state = text_of(700'000);
  World world({state, state, state});
  world.lose_one_in = 10;
  world.room = 7;
  world.open(0);
  world.open(1);
  world.run();
  CHECK(world.loader.done());
  CHECK(world.got[0] == state);
}

TEST_CASE(
    "when the member that sends dies, another goes on where it stopped, and nothing restarts") {
  const std::string state = text_of(3'000'000);
  World world({state, state, state});
  world.open(0);
  world.open(1);
  for (const std::size_t enough : {1'000'000, 2'000'000}) {
    while (world.got[0].size() < enough) world.turn();
    REQUIRE(world.loader.donor());
    world.alive.erase(*world.loader.donor());
    world.wire.clear();
  }
  world.run();
  CHECK(world.loader.done());
  CHECK(world.got[0] == state);
}

TEST_CASE("who holds nothing is passed over; when nobody is left that does, it says so") {
  World world({"", "", "the state"});
  world.open(0);
  world.open(1);
  world.run();
  CHECK(world.loader.done());
  CHECK(world.got[0] == "the state");

  World without({"", "", ""});
  without.open(0);
  without.run();
  REQUIRE(without.loader.failure());
  CHECK(without.loader.failure()->what.find("no member is left") != std::string::npos);
}

TEST_CASE("a member with other bytes is not taken for one that can go on") {
  World world({text_of(2'000'000), text_of(2'000'000, 'b'), text_of(1'000, 'a')});
  world.open(0);
  while (world.got[0].size() < 1'500'000) world.turn();
  world.alive.erase(0);
  world.wire.clear();
  world.run();
  REQUIRE(world.loader.failure());
  CHECK(world.loader.failure()->what.find("the same state") != std::string::npos);
}

TEST_CASE("what a donor holds is bounded by the window, and goes when the joiner has arrived") {
  std::size_t produced = 0;
  Donor donor(piece_bytes, [](const Member&, const StatePiece&) { return true; });
  donor.hold(joiner, first_view, {[&](MutableBytes to) -> Result<std::size_t> {
               produced += to.size();
               return to.size();
             }});
  StateRequest request{first_view, 0, 0, Loader::window_bytes, {}, false};
  donor.requested(joiner, request);
  for (int turn = 0; turn < 1000; ++turn) donor.turn();
  CHECK(produced < Loader::window_bytes + piece_bytes);
  donor.release({joiner.id, Incarnation{1}, "j"});  // a former run of it
  CHECK(donor.holds_anything());
  donor.release(joiner);
  CHECK_FALSE(donor.holds_anything());
}

TEST_CASE("a load that fails stops the joiner with its error") {
  World world({"x", "x", "x"});
  world.loader.open(0, [](Bytes, bool) { return Result<>(fail(Code::io, "disk full")); });
  world.run();
  REQUIRE(world.loader.failure());
  CHECK(world.loader.failure()->what == "disk full");
}

TEST_CASE("after a view change it goes on with the same member under its new rank") {
  const std::string state = text_of(1'000'000);
  World world({state, state, state});
  world.open(0);
  while (world.got[0].size() < 300'000) world.turn();
  const auto donor = world.loader.donor();
  REQUIRE(donor);
  world.loader.view_changed(donor);
  world.run();
  CHECK(world.got[0] == state);
}

}  // namespace
}  // namespace squall::engine
