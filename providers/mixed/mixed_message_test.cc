// Messages keep their order and come once, over links that are lost at any moment.
#include "providers/mixed/mixed_message.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <string>

#include "core/base/random.h"

namespace squall::mixed {
namespace {

using Order = Incoming::Order;

TEST_CASE("a header is what was written, and nothing else is one") {
  const Frame frame = encode({Header::Kind::message, 7, 9}, as_bytes("abc"));
  const auto header = decode_header(*frame);
  REQUIRE(header);
  CHECK(header->kind == Header::Kind::message);
  CHECK(header->number == 7);
  CHECK(header->acknowledged == 9);
  CHECK(as_text(Bytes(*frame).subspan(Header::wire_bytes)) == "abc");
  CHECK_FALSE(decode_header(Bytes(*frame).first(Header::wire_bytes - 1)));
  CHECK_FALSE(decode_header({}));
  CHECK_FALSE(decode_header(*encode({Header::Kind{0}, 0, 0}, {})));
  CHECK_FALSE(decode_header(*encode({Header::Kind{6}, 0, 0}, {})));
  CHECK_FALSE(decode_header(*encode({Header::Kind::acknowledgement, 1, 0}, {})));
  CHECK_FALSE(decode_header(*encode({Header::Kind::acknowledgement, 0, 0}, as_bytes("x"))));
  CHECK_FALSE(decode_header(*encode({Header::Kind::moved, 1, 0}, as_bytes("shm"))));
  CHECK_FALSE(decode_header(*encode({Header::Kind::ask, 1, 0}, as_bytes("x"))));
  CHECK(decode_header(*encode({Header::Kind::told, 1, 0}, {})));
}

TEST_CASE("what is not acknowledged is kept, and goes out again after a loss") {
  Outgoing lane;
  for (int i = 0; i < 3; ++i) {
    lane.add(as_bytes("m"), 0, std::nullopt);
    CHECK(lane.next()->number == static_cast<std::uint64_t>(i));
    lane.sent();
  }
  CHECK(lane.idle());
  CHECK(lane.acknowledge(1));
  lane.again();
  CHECK(lane.next()->number == 1);
  lane.sent();
  // What went over the lost link may have come all the same.
  CHECK(lane.acknowledge(3));
  CHECK(lane.idle());
  CHECK(lane.acknowledge(2));  // one that was overtaken
  CHECK_FALSE(lane.acknowledge(4));
}

TEST_CASE("a lane holds so much, or one message of any size") {
  Outgoing lane;
  const std::string large(Outgoing::most_bytes + 1, 'x');
  CHECK(lane.has_room(large.size()));
  lane.add(as_bytes(large), 0, std::nullopt);
  CHECK_FALSE(lane.has_room(1));
  CHECK(lane.acknowledge(1));
  for (std::size_t i = 0; i < Outgoing::most_messages; ++i) {
    CHECK(lane.has_room(1));
    lane.add(as_bytes("x"), 0, std::nullopt);
  }
  CHECK_FALSE(lane.has_room(1));
}

TEST_CASE("repeated, early and impossible numbers") {
  Incoming lane;
  CHECK(lane.order(0) == Order::next);
  CHECK(lane.order(1) == Order::early);
  CHECK(lane.order(Outgoing::most_messages - 1) == Order::early);
  CHECK(lane.order(Outgoing::most_messages) == Order::impossible);
  CHECK(lane.order(~std::uint64_t{0}) == Order::impossible);
  CHECK(lane.hold(1, as_bytes("one")));
  CHECK(lane.order(1) == Order::repeated);
  CHECK_FALSE(lane.take_held());
  lane.advance(4);
  const auto held = lane.take_held();
  REQUIRE(held);
  CHECK(as_text(*held) == "one");
  CHECK(lane.count() == 2);
  CHECK(lane.order(0) == Order::repeated);
}

TEST_CASE("who holds more than a peer may send is told so") {
  Incoming lane;
  const std::string half(Outgoing::most_bytes / 2 + 1, 'x');
  CHECK(lane.hold(1, as_bytes(half)));
  CHECK_FALSE(lane.hold(2, as_bytes(half)));
}

TEST_CASE("an acknowledgement is owed before the peer's lane is full") {
  Incoming lane;
  for (std::size_t i = 0; i < Outgoing::most_messages / 4; ++i) {
    CHECK_FALSE(lane.owes_acknowledgement());
    lane.advance(1);
  }
  CHECK(lane.owes_acknowledgement());
  lane.told();
  CHECK_FALSE(lane.owes_acknowledgement());
  lane.advance(Outgoing::most_bytes / 4);
  CHECK(lane.owes_acknowledgement());
}

// Two links that keep their own order; either may be lost with what is on it, and then the rest
// goes over the other. Now and then a message must come behind the second.
TEST_CASE("whatever links are lost, everything comes once and in order") {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Outgoing out;
    Incoming in;
    std::deque<Frame> links[2];
    bool lost[2] = {};
    std::uint64_t sent = 0, received = 0, acknowledged = 0;
    constexpr std::uint64_t count = 200;
    const auto receive = [&](Bytes body) { REQUIRE(as_text(body) == std::to_string(received++)); };
    while (received < count) {
      if (sent < count && random.one_in(2) && out.has_room(8))
        out.add(as_bytes(std::to_string(sent++)), 0,
                random.one_in(3) ? std::optional<std::size_t>(1) : std::nullopt);
      while (const auto* message = out.next()) {
        std::size_t link = lost[0] ? 1 : 0;
        if (message->behind && !lost[*message->behind]) link = *message->behind;
        links[link].push_back(message->frame);
        out.sent();
      }
      if (random.one_in(100) && !lost[0] && !lost[1]) {
        const std::size_t link = random.below(2);
        lost[link] = true;
        // Some of it was taken before.
        links[link].clear();
        out.again();
      }
      const std::size_t link = random.below(2);
      if (links[link].empty()) continue;
      const Frame frame = links[link].front();
      links[link].pop_front();
      const auto header = decode_header(*frame);
      REQUIRE(header);
      const Bytes body = Bytes(*frame).subspan(Header::wire_bytes);
      const Order order = in.order(header->number);
      REQUIRE(order != Order::impossible);
      if (order == Order::early) REQUIRE(in.hold(header->number, body));
      if (order != Order::next) continue;
      receive(body);
      in.advance(body.size());
      while (const auto held = in.take_held()) receive(*held);
      if (random.one_in(3)) acknowledged = in.count();
      REQUIRE(out.acknowledge(acknowledged));
    }
    CHECK(out.acknowledge(count));
    CHECK(out.idle());
  }
}

}  // namespace
}  // namespace squall::mixed
