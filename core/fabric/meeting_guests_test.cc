// Guests and visits of the rendezvous.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/fabric/meeting_world.h"

namespace squall::fabric {
namespace {

using namespace meeting_tests;
using Event = Rendezvous::Event;
using Happened = Event::Kind;

const Roster contacts{{"a", "a:1"}, {"b", "b:1"}};

/// a and b have met, or gather nobody; c is in no roster, and visits.
struct Visitors : World {
  explicit Visitors(bool gather = true) : World(3) {
    for (Rank rank = 0; rank < 2; ++rank)
      start(rank, introduction(contacts[rank].name), contacts, {gather, {7, "ring 1024"}});
    settle();
    for (Rank rank = 0; rank < 2; ++rank) take(rank);
  }
  void come(Layout layout = {7, "ring 1024"}, const std::string& name = "c") {
    start(2, introduction(name), contacts, {false, std::move(layout)});
  }
  LineId visit(Rank rank) {
    const LineId line = at(2).visit(rank, now);
    settle();
    return line;
  }
};

TEST_CASE("a guest is received beside a roster that has met, and beside nodes that gather nobody") {
  for (const bool gather : {true, false}) {
    Visitors world(gather);
    world.come();
    const LineId line = world.visit(1);
    const auto guest = world.take(1);
    REQUIRE(guest.size() == 1);
    CHECK(guest[0].kind == Happened::guest);
    CHECK(guest[0].who.name == "c");
    const auto welcomed = world.take(2);
    REQUIRE(welcomed.size() == 1);
    CHECK(welcomed[0].kind == Happened::welcomed);
    CHECK(welcomed[0].line == line);
    CHECK(welcomed[0].who.name == "b");

    world.at(2).say(line, as_bytes("may I come in?"));
    world.settle();
    const auto asked = world.take(1);
    REQUIRE(asked.size() == 1);
    CHECK(as_text(asked[0].bytes) == "may I come in?");
    world.at(1).say(guest[0].line, as_bytes("wait"));
    world.settle();
    CHECK(as_text(world.take(2)[0].bytes) == "wait");
    CHECK(world.seen(0) == "");
  }
}

TEST_CASE("either end may end a visit, and a dismissal keeps its code") {
  Visitors world;
  world.come();
  world.visit(0);
  world.at(0).dismiss(world.take(0)[0].line, {Code::would_block, "not yet", "come again"});
  world.settle();
  const auto seen = world.take(2);
  REQUIRE(seen.size() == 2);
  CHECK(seen[1].kind == Happened::ended);
  CHECK(seen[1].error.code == Code::would_block);
  CHECK(seen[1].error.what == "a refused: not yet");
  CHECK(world.seen(0) == "");

  world.visit(0);
  CHECK(world.seen(0) == "guest ?");
  world.kill(2);
  world.settle();
  CHECK(world.seen(0) == "ended ?");
}

TEST_CASE("a guest of another layout, or that calls itself what the member is called, is refused") {
  Visitors world;
  world.come({8, "ring 2048"});
  world.visit(0);
  CHECK(world.seen(0) == "turned away ?");
  auto seen = world.take(2);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].error.what.find("a has \"ring 1024\", c has \"ring 2048\"") != std::string::npos);
  world.come({7, "ring 1024"}, "b");
  world.visit(1);
  seen = world.take(2);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].error.code == Code::refused);
}

TEST_CASE("a visit to nobody, or to who never answers, ends with the reason") {
  Visitors world;
  world.come();
  world.kill(1);
  world.visit(1);
  auto seen = world.take(2);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].error.what == "connection refused");
  const LineId line = world.at(2).visit(0, world.now);
  static_cast<void>(world.at(2).take_actions());  // lost on the way
  world.after(Limits::handshake);
  seen = world.take(2);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].line == line);
  CHECK(seen[0].error.what == "no connection within 2 s");
}

TEST_CASE("a guest that goes before it is received is nobody's guest") {
  Visitors world;
  const LineId line = world.at(0).accepted(world.now, "c");
  Hello hello{introduction("c"), guest_rank, guest_rank, "", {}};
  hello.who.group_digest = 7;
  world.at(0).received(line, encode_hello(FrameKind::hello, hello), world.now);
  world.at(0).received(line, encode_refusal({Code::closed, "never mind", ""}), world.now);
  world.settle();
  CHECK(world.seen(0) == "");
}

TEST_CASE("who leaves sends its guests away, and a goodbye of a guest is none") {
  Visitors world;
  world.come();
  const LineId line = world.visit(0);
  world.visit(1);
  world.take(2);
  world.at(0).leave("finished");
  world.settle();
  const auto seen = world.take(2);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].line == line);
  CHECK(seen[0].error.code == Code::would_block);
  const LineId guest = world.take(1).front().line;
  world.at(1).received(guest, encode_goodbye("bye"), world.now);
  CHECK(world.seen(1) == "");
  world.settle();
  CHECK(world.seen(1) == "ended ?");
}

TEST_CASE("a replayed visit is dropped before it is anybody's guest") {
  Visitors world;
  world.come();
  world.recorded.clear();
  world.visit(0);
  CHECK(world.seen(0) == "guest ?");
  const auto recorded = world.recorded;
  world.kill(2);
  world.settle();
  world.take(0);
  const LineId line = world.at(0).accepted(world.now, "elsewhere");
  for (const auto& bytes : recorded) world.at(0).received(line, bytes, world.now);
  world.settle();
  CHECK(world.seen(0) == "");
}

TEST_CASE("guests are bounded, in number and in what they may say at once") {
  Visitors world;
  world.come();
  for (std::size_t count = 0; count < Limits::guests; ++count) world.visit(0);
  CHECK(world.take(0).size() == Limits::guests);
  world.take(2);
  world.visit(0);
  auto seen = world.take(2);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].error.code == Code::would_block);
  world.take(0);
  world.at(2).say(1, std::vector<std::byte>(Limits::guest_word_bytes + 1));
  world.settle();
  CHECK(world.seen(0) == "ended ?");
}

TEST_CASE("who gathers is refused by who does not, with what to do") {
  World world(2);
  world.start(0, introduction("a"), contacts, {false, {}});
  world.start(1, introduction("b"), contacts);
  world.settle();
  const auto seen = world.take(1);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Happened::refused);
  CHECK(seen[0].error.what.find("gathers all contacts for a first view") != std::string::npos);
}

}  // namespace
}  // namespace squall::fabric
