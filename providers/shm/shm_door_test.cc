#include "providers/shm/shm_door.h"

#include <doctest/doctest.h>

#include <cstring>

namespace squall::shm {
namespace {

constexpr ReadyTag listener_tag = 1;
constexpr ReadyTag stranger_tag = 1000;

fabric::Ticket ticket_of(std::size_t number) {
  fabric::Ticket ticket{};
  std::memcpy(ticket.data(), &number, sizeof(number));
  return ticket;
}

/// A door whose clock is set by hand.
struct Fixture {
  const std::string address = random_address();
  Waiter waiter = std::move(*Waiter::create());
  Door door = std::move(*Door::open(address, waiter, listener_tag));
  Time now{};

  Fd knock() {
    Fd socket;
    REQUIRE(dial(address, socket) == 0);
    return socket;
  }
  Fd knock(std::size_t ticket) {
    Fd socket = knock();
    REQUIRE(send_packet(socket, encode(Hello{wire_version, ticket_of(ticket)}), {}) == Sent::whole);
    return socket;
  }
  void turn() {
    for (bool accepted = true; accepted;) {
      accepted = false;
      for (const ReadyTag tag : waiter.look()) {
        if (tag != listener_tag) {
          door.hear(waiter, static_cast<std::uint32_t>(tag - stranger_tag));
          continue;
        }
        door.accept(waiter, stranger_tag, now);
        accepted = true;
      }
    }
    door.expire(waiter, now);
  }
};

bool dropped(const Fd& socket) {
  Packet packet;
  return receive_packet(socket, packet) == Received::closed;
}

TEST_CASE("who said hello is kept for three seconds, and given out once, to its ticket") {
  Fixture at;
  const Fd early = at.knock(1), late = at.knock(2);
  at.turn();
  CHECK(at.door.strangers() == 2);
  CHECK_FALSE(at.door.take(at.waiter, ticket_of(3)));
  CHECK(at.door.take(at.waiter, ticket_of(2)));
  CHECK_FALSE(at.door.take(at.waiter, ticket_of(2)));
  CHECK(at.door.deadline() == at.now + Door::patience);
  at.now += Door::patience - 1ns;
  at.turn();
  CHECK(at.door.strangers() == 1);
  at.now += 1ns;
  at.turn();
  CHECK(at.door.strangers() == 0);
  CHECK(dropped(early));
  CHECK(at.door.deadline() == never);
}

TEST_CASE("never more than 64 wait, and the silent go before those who said hello") {
  Fixture at;
  std::vector<Fd> polite, silent;
  for (std::size_t i = 0; i < 10; ++i) polite.push_back(at.knock(i));
  at.turn();
  for (std::size_t i = 0; i < 100; ++i) silent.push_back(at.knock());
  at.turn();
  CHECK(at.door.strangers() == Door::max_strangers);
  std::size_t gone = 0;
  for (const Fd& socket : silent) gone += dropped(socket) ? 1 : 0;
  CHECK(gone == 10 + 100 - Door::max_strangers);
  for (std::size_t i = 0; i < 10; ++i) CHECK(at.door.take(at.waiter, ticket_of(i)));
}

TEST_CASE("garbage, a hello too many and a hang-up free the place at once") {
  Fixture at;
  Fd garbage = at.knock(), twice = at.knock(1), left = at.knock(2);
  REQUIRE(send_packet(garbage, as_bytes("hello?"), {}) == Sent::whole);
  at.turn();
  CHECK(at.door.strangers() == 2);
  REQUIRE(send_packet(twice, encode(Hello{}), {}) == Sent::whole);
  left.reset();
  at.turn();
  CHECK(at.door.strangers() == 0);
}

}  // namespace
}  // namespace squall::shm
