// What carries a pair, with the time set by hand.
#include "providers/mixed/mixed_pair.h"

#include <doctest/doctest.h>

namespace squall::mixed {
namespace {

constexpr Time start{};
constexpr std::size_t shm = 0, verbs = 1, tcp = 2;

Pair three() {
  Pair pair;
  pair.add("shm", true);
  pair.add("verbs", false);
  pair.add("tcp", false);
  return pair;
}

TEST_CASE("the best link carries the pair, and it is joined when that one is up") {
  Pair pair = three();
  CHECK(pair.carrier() == shm);
  CHECK(pair.object_carrier() == verbs);
  pair.came_up(tcp, start);
  CHECK_FALSE(pair.joined());
  pair.came_up(shm, start);
  CHECK(pair.joined());
  CHECK(pair.deadline() == never);
  CHECK(pair.carrier() == shm);
}

TEST_CASE("a better link has its chance once another is up, not before") {
  Pair pair = three();
  CHECK(pair.deadline() == never);
  pair.came_up(tcp, start + 1s);
  CHECK(pair.deadline() == start + 1s + Pair::chance);
  CHECK_FALSE(pair.overdue(start + Pair::chance));
  CHECK(pair.overdue(start + 1s + Pair::chance) == shm);
  CHECK(pair.lose(shm, "late"));
  CHECK(pair.overdue(start + 1s + Pair::chance) == verbs);
  CHECK(pair.lose(verbs, "late"));
  CHECK(pair.joined());
  CHECK(pair.deadline() == never);
  pair.came_up(shm, start + 9s);  // too late
  CHECK(pair.carrier() == tcp);
}

TEST_CASE("it moves down from link to link, and is lost with the last one") {
  Pair pair = three();
  for (const std::size_t link : {shm, verbs, tcp}) pair.came_up(link, start);
  CHECK_FALSE(pair.has_moved());
  CHECK(pair.lose(shm, "hung up"));
  CHECK_FALSE(pair.lose(shm, "again"));
  CHECK(pair.has_moved());
  CHECK(pair.carrier() == verbs);
  CHECK(pair.lose(tcp, "reset"));
  CHECK(pair.carrier() == verbs);
  CHECK(pair.joined());
  CHECK(pair.lose(verbs, "no route"));
  CHECK_FALSE(pair.carrier());
  CHECK_FALSE(pair.object_carrier());
  CHECK_FALSE(pair.joined());
  CHECK(pair.deadline() == never);
  CHECK(pair.why_lost() == "shm: hung up; verbs: no route; tcp: reset");
}

TEST_CASE("a pair that moves to a link that is not up yet waits for it") {
  Pair pair = three();
  pair.came_up(shm, start);
  pair.lose(shm, "hung up");
  CHECK(pair.carrier() == verbs);
  CHECK_FALSE(pair.joined());
  CHECK(pair.deadline() == never);  // there is nothing better that is up
  pair.came_up(verbs, start + 1s);
  CHECK(pair.joined());
}

TEST_CASE("without a network there is nothing for large objects") {
  Pair pair;
  pair.add("shm", true);
  pair.add("tcp", false);
  pair.came_up(shm, start);
  CHECK(pair.object_carrier() == 1);
  pair.lose(1, "reset");
  CHECK(pair.carrier() == shm);
  CHECK_FALSE(pair.object_carrier());
}

TEST_CASE("a lost link is told of once on each lane of each other link") {
  Pair pair = three();
  CHECK_FALSE(pair.to_tell(verbs, 0));
  pair.lose(shm, "hung up");
  pair.lose(tcp, "reset");
  CHECK(pair.to_tell(verbs, 0) == shm);
  pair.told(verbs, 0, shm);
  CHECK(pair.to_tell(verbs, 0) == tcp);
  pair.told(verbs, 0, tcp);
  CHECK_FALSE(pair.to_tell(verbs, 0));
  CHECK(pair.to_tell(verbs, 1) == shm);
}

TEST_CASE("links are known by their fabrics") {
  const Pair pair = three();
  CHECK(pair.find("verbs") == verbs);
  CHECK_FALSE(pair.find("efa"));
  CHECK(pair.fabric(tcp) == "tcp");
}

}  // namespace
}  // namespace squall::mixed
