#include "core/fabric/meeting.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/fabric/meeting_fuzz.h"
#include "core/fabric/meeting_world.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::fabric {
namespace {

using namespace meeting_tests;
using Event = Rendezvous::Event;
using Happened = Event::Kind;

std::vector<std::byte> joined(const std::vector<std::vector<std::byte>>& parts) {
  std::vector<std::byte> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST_CASE("three members meet, and each pair gets a ticket of its own, the same at both ends") {
  World world(3);
  for (Rank rank = 0; rank < 3; ++rank) world.start(rank);
  world.settle();
  std::vector<std::vector<Event>> events;
  for (Rank rank = 0; rank < 3; ++rank) {
    events.push_back(world.take(rank));
    CHECK(world.at(rank).missing() == "");
    CHECK(world.at(rank).deadline() == never);
    REQUIRE(events[rank].size() == 2);
    for (const Event& event : events[rank]) {
      CHECK(event.kind == Happened::introduced);
      CHECK(event.who.name == everyone[event.rank].name);
    }
  }
  const auto ticket = [&](Rank rank, Rank peer) {
    return std::find_if(events[rank].begin(), events[rank].end(),
                        [&](const Event& event) { return event.rank == peer; })
        ->ticket;
  };
  CHECK(ticket(0, 1) == ticket(1, 0));
  CHECK(ticket(0, 2) == ticket(2, 0));
  CHECK(ticket(1, 2) == ticket(2, 1));
  CHECK(ticket(0, 1) != ticket(0, 2));
  CHECK(ticket(0, 1) != ticket(1, 2));
}

TEST_CASE("who is not there yet is called again, with pauses from 10 ms doubling to 500 ms") {
  World world(3);
  world.start(1);
  world.settle();
  Duration pause = 10ms;
  for (int i = 0; i < 12; ++i) {
    CHECK(world.at(1).deadline() == world.now + pause);
    world.after(pause);
    pause = std::min<Duration>(2 * pause, 500ms);
  }
  CHECK(world.at(1).missing() == "a (a:1: connection refused), c (c:1: has not called yet)");
  world.start(0);
  world.after(500ms);
  CHECK(world.seen(1) == "introduced a");
  CHECK(world.seen(0) == "introduced b");
  CHECK(world.at(0).missing() == "c (c:1: has not called yet)");
}

TEST_CASE(
    "another configuration: both ends are told the line that differs, and it is not retried") {
  World world(3);
  world.start(0);
  Introduction b = introduction("b");
  b.group_digest = 1;
  b.group_text = "ring 2048";
  world.start(1, b);
  world.settle();
  const auto at_a = world.take(0);
  const auto at_b = world.take(1);
  REQUIRE(at_a.size() == 1);
  REQUIRE(at_b.size() == 1);
  CHECK(at_a[0].kind == Happened::turned_away);
  CHECK(at_b[0].kind == Happened::refused);
  CHECK(at_b[0].rank == 0);
  for (const std::string& text :
       {at_a[0].error.text(), at_b[0].error.text(), world.at(0).missing(), world.at(1).missing()}) {
    CAPTURE(text);
    CHECK(text.find("line 1: a has \"ring 1024\", b has \"ring 2048\"") != std::string::npos);
  }
  CHECK(world.at(1).deadline() == never);
}

TEST_CASE("a wire version of another year is refused, in both directions") {
  World world(2);
  world.start(0);
  const LineId line = world.at(0).accepted(world.now, "b");
  Writer body;  // a hello whose layout is unknown after the name
  body.put(std::string_view("b")).put(std::uint64_t{1234});
  world.at(0).received(line, encode_frame(FrameKind::hello, body.bytes(), 11), world.now);
  auto actions = world.at(0).take_actions();
  REQUIRE(actions.size() == 2);
  CHECK(actions[1].kind == Meeting::Action::Kind::finish);
  auto refusal = take_frame(actions[0].bytes);
  REQUIRE((refusal && *refusal));
  CHECK(decode_refusal((*refusal)->body)->text() ==
        "b speaks wire version 11, a speaks 10 (upgrade a)");

  world.start(1);
  world.at(1).tick(world.now);
  const auto calls = world.at(1).take_actions();
  REQUIRE(calls.size() == 1);
  world.at(1).connected(calls[0].line, world.now);
  auto old = encode_refusal({Code::refused, "a speaks 0, b speaks 1", "upgrade a"});
  old[8] = std::byte{0};  // the version in the header
  world.at(1).received(calls[0].line, old, world.now);
  const auto events = world.at(1).take_events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == Happened::refused);
  CHECK(events[0].error.text() == "a refused: a speaks 0, b speaks 1 (upgrade a)");
}

TEST_CASE("a second member of the same name is refused while the first one is here") {
  World world(4);  // the fourth process calls itself b, too
  world.start(0);
  world.start(1);
  world.settle();
  world.seen(0);
  world.start(3, introduction("b", 2));
  world.settle();
  CHECK(world.seen(0) == "turned away b");
  const auto events = world.take(3);
  REQUIRE(events.size() == 1);
  CHECK(events[0].error.what == "a refused: a member named b is already here, from b");
  CHECK(world.at(0).missing() == "c (c:1: has not called yet)");
}

TEST_CASE("other orders of contacts are refused") {
  World world(2);
  world.start(0);
  world.start(1, introduction("c"), {{"a", "a:1"}, {"c", "c:1"}, {"b", "b:1"}});
  world.settle();
  const auto events = world.take(1);
  REQUIRE(events.size() == 1);
  CHECK(events[0].error.what == "a refused: c takes itself for rank 1, at a it is 2");
}

TEST_CASE("a death is seen as gone; the next run is introduced, an earlier one is refused") {
  World world(3);
  world.start(0);
  world.start(1, introduction("b", 5));
  world.settle();
  const Ticket first = world.take(0)[0].ticket;
  world.kill(1);
  world.settle();
  CHECK(world.seen(0) == "gone b");
  CHECK(world.at(0).missing() == "b (b:1: closed the connection), c (c:1: has not called yet)");
  world.start(1, introduction("b", 4));
  world.settle();
  CHECK(world.seen(0) == "turned away b");
  world.kill(1);
  world.start(1, introduction("b", 6));
  world.settle();
  const auto events = world.take(0);
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == Happened::introduced);
  CHECK(events[0].who.incarnation == Incarnation{6});
  CHECK(events[0].ticket != first);
}

TEST_CASE("who called is called again after its death") {
  World world(2);
  world.start(0);
  world.start(1);
  world.settle();
  world.kill(0);
  world.settle();
  CHECK(world.seen(1) == "introduced a, gone a");
  world.start(0, introduction("a", 2));
  world.after(500ms);
  CHECK(world.seen(1) == "introduced a");
}

TEST_CASE(
    "fast_restart_same_identity: while the former run is not known dead, the next is refused") {
  World world(2);
  world.start(0);
  world.start(1, introduction("b", 1));
  world.settle();
  world.kill(1, false);
  world.start(1, introduction("b", 2));
  world.settle();
  CHECK(world.seen(0) == "introduced b, turned away b");
}

TEST_CASE("the same run that lost its line may call anew, and is known by a fresh ticket") {
  World world(2);
  world.start(0);
  world.start(1);
  world.settle();
  const Ticket first = world.take(0)[0].ticket;
  // Only b sees the line end.
  const auto [b_end, a_end] = world.lines.front();
  world.lines.clear();
  world.at(1).ended(b_end.line, world.now, "connection reset");
  world.after(10ms);
  const auto events = world.take(0);
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == Happened::gone);
  CHECK(events[1].kind == Happened::introduced);
  CHECK(events[1].ticket != first);
}

TEST_CASE("a goodbye is seen as left, with its text, and nobody calls any more") {
  World world(3);
  for (Rank rank = 0; rank < 3; ++rank) world.start(rank);
  world.settle();
  for (Rank rank = 0; rank < 3; ++rank) world.seen(rank);
  world.at(0).leave("all done");
  world.settle();
  for (const Rank rank : {1u, 2u}) {
    const auto events = world.take(rank);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == Happened::left);
    CHECK(events[0].rank == 0);
    CHECK(events[0].error.what == "all done");
    CHECK(world.at(rank).missing() == "a (a:1: left: all done)");
    CHECK(world.at(rank).deadline() == never);
  }
  CHECK(world.seen(0) == "");
}

TEST_CASE("replay: a recorded handshake yields no introduction and no ticket") {
  World world(2);
  world.start(0);
  world.start(1);
  world.settle();
  const auto recording = joined(world.recorded);
  REQUIRE(recording.size() > 2 * frame_header_bytes);

  // Against the same run, b being here; after b is gone; and against the next run of a.
  for (int round = 0; round < 3; ++round) {
    if (round == 1) world.kill(1);
    if (round == 2) world.start(0, introduction("a", 2));
    world.settle();
    world.seen(0);
    const LineId line = world.at(0).accepted(world.now, "replayer");
    world.at(0).received(line, recording, world.now);
    for (const Event& event : world.at(0).take_events()) CHECK(event.kind != Happened::introduced);
    const bool dropped = std::ranges::any_of(world.at(0).take_actions(), [&](const auto& action) {
      return action.line == line && action.kind == Meeting::Action::Kind::drop;
    });
    CHECK(dropped);
    CHECK(world.at(0).introduced(line) == false);
  }
}

TEST_CASE("a hello byte by byte is understood, if it is whole within 2 s") {
  for (const bool in_time : {true, false}) {
    World world(2);
    world.start(0);
    const Hello hello{introduction("b"), 1, 0, "a", {}};
    const auto bytes = encode_hello(FrameKind::hello, hello);
    const LineId line = world.at(0).accepted(world.now, "slow");
    const Duration step = (in_time ? 1900ms : 2100ms) / static_cast<int>(bytes.size());
    for (const std::byte& byte : bytes) {
      world.now += step;
      world.at(0).tick(world.now);
      world.at(0).received(line, {&byte, 1}, world.now);
    }
    const auto actions = world.at(0).take_actions();
    REQUIRE(actions.size() == 1);
    CHECK(actions[0].kind == (in_time ? Meeting::Action::Kind::send : Meeting::Action::Kind::drop));
  }
}

TEST_CASE("who says nothing is dropped after 2 s; of more than 64 the oldest silent one at once") {
  World world(2);
  world.start(0);
  Meeting& a = world.at(0);
  const LineId first = a.accepted(world.now, "silent");
  // The second one has said hello and waits for the proof: silent ones go first.
  const LineId second = a.accepted(world.now, "b");
  a.received(second, encode_hello(FrameKind::hello, {introduction("b"), 1, 0, "a", {}}), world.now);
  CHECK(a.take_actions().size() == 1);
  for (std::size_t i = 2; i < Limits::strangers; ++i) a.accepted(world.now + 1s, "silent");
  CHECK(a.take_actions().empty());
  a.accepted(world.now + 1s, "one more");
  auto actions = a.take_actions();
  REQUIRE(actions.size() == 1);
  CHECK(actions[0].kind == Meeting::Action::Kind::drop);
  CHECK(actions[0].line == first);
  a.accepted(world.now + 1s, "one more");
  actions = a.take_actions();
  REQUIRE(actions.size() == 1);
  CHECK(actions[0].line > second);

  CHECK(a.deadline() == world.now + Limits::handshake);
  a.tick(world.now + Limits::handshake);
  actions = a.take_actions();
  REQUIRE(actions.size() == 1);
  CHECK(actions[0].line == second);
  a.tick(world.now + 1s + Limits::handshake);
  CHECK(a.take_actions().size() == Limits::strangers - 1);
  CHECK(a.take_events().empty());
  CHECK(a.deadline() == never);
}

TEST_CASE("a member that accepts and never answers is named as such") {
  World world(2);
  world.start(1);
  Meeting& b = world.at(1);
  b.tick(world.now);
  b.connected(b.take_actions().at(0).line, world.now);
  b.tick(world.now + Limits::handshake);
  CHECK(b.missing() == "a (a:1: no answer within 2 s), c (c:1: has not called yet)");
}

TEST_CASE("garbage from the one that is called is retried, with the reason") {
  World world(2);
  world.start(1);
  Meeting& b = world.at(1);
  b.tick(world.now);
  const LineId line = b.take_actions().at(0).line;
  b.connected(line, world.now);
  b.received(line, as_bytes("HTTP/1.1 400 Bad Request"), world.now);
  CHECK(b.missing().find("a (a:1: speaks something else than Squall's rendezvous") == 0);
  CHECK(b.deadline() == world.now + Limits::first_retry);
}

TEST_CASE("hostile_bytes: frames out of place and bent frames end in no introduction") {
  Random random(7);
  const Nonce nonce{};
  std::vector<std::vector<std::byte>> frames{
      encode_hello(FrameKind::hello, {introduction("b"), 1, 0, "a", nonce}),
      encode_hello(FrameKind::answer, {introduction("a"), 0, 1, "b", nonce}),
      encode_hello(FrameKind::hello, {introduction("b"), guest_rank, guest_rank, "", nonce}),
      encode_hello(FrameKind::answer, {introduction("a"), guest_rank, guest_rank, "", nonce}),
      encode_frame(FrameKind::word, as_bytes("may I come in?")),
      encode_frame(FrameKind::word, {}),
      encode_proof(FrameKind::confirm, {}),
      encode_proof(FrameKind::welcome, {}),
      encode_goodbye("bye"),
      encode_refusal({Code::refused, "no", ""}),
      encode_frame(FrameKind{77}, {}),
  };
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> input{static_cast<std::byte>(random.next()),
                                 static_cast<std::byte>(random.next())};
    for (std::uint64_t count = 1 + random.below(4); count > 0; --count) {
      const auto& frame = frames[random.below(frames.size())];
      input.insert(input.end(), frame.begin(), frame.end());
    }
    for (std::uint64_t flips = random.below(4); flips > 0; --flips)
      input[random.below(input.size())] = static_cast<std::byte>(random.next());
    fuzz_meeting(input);
  }
}

TEST_CASE("a roster without this node, or with a name twice, is refused") {
  const auto nonces = [] { return Nonce{}; };
  const auto absent = Meeting::create(everyone, introduction("z"), nonces);
  REQUIRE_FALSE(absent);
  CHECK(absent.error().what == "z is not among the contacts");
  const auto twice = Meeting::create({{"a", "a:1"}, {"a", "b:1"}}, introduction("a"), nonces);
  REQUIRE_FALSE(twice);
  CHECK(twice.error().what == "the contacts name a twice");
}

}  // namespace
}  // namespace squall::fabric
