#include "core/multicast/channel.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/multicast/channel_test_kit.h"

namespace squall::multicast {
namespace {

TEST_CASE("what is committed is delivered at every member, the sender too, numbered from 0") {
  Group group(3, {1});
  CHECK(group[0].writer() == nullptr);
  REQUIRE(group.send(1, "one"));
  REQUIRE(group.send(1, ""));
  for (int turn = 0; turn < 2; ++turn) group.turn_all();
  for (const Member& member : group.members) {
    CHECK(member.got == Texts{"one", ""});
    CHECK(member.numbers == std::vector<std::pair<Rank, MessageNumber>>{{1, 0}, {1, 1}});
    CHECK(member.positions == std::vector<std::uint64_t>{0, 1});
  }
}

TEST_CASE("a turn pushes the bytes before the row that counts them") {
  Group group(2, {0});
  group.send(0, "text");
  CHECK(group.exchange(0).worked);
  const auto& queued = group.network.queued(0, 1);
  REQUIRE(queued.size() == 2);
  CHECK(queued[0].region == ring_region);
  CHECK(queued[1].region == row_region);
  // With the bytes alone there is nothing to see.
  group.network.land(0, 1, 1);
  CHECK_FALSE(group.exchange(1).worked);
  CHECK(group.deliver(1) == 0);
  group.network.land(0, 1, 1);
  CHECK(group.exchange(1).worked);
  CHECK(group.deliver(1) == 1);
}

TEST_CASE("many messages leave as one push of bytes and one of counters") {
  Group group(2, {0});
  for (int message = 0; message < 50; ++message) group.send(0, "batched");
  group.exchange(0);
  CHECK(group.network.queued(0, 1).size() == 2);
}

TEST_CASE("bytes that wrap around the ring's end leave in two pieces") {
  Group group(2, {0});
  for (int lap = 0; lap < 3; ++lap) {
    REQUIRE(group.send(0, std::string(largest, 'x')));
    group.turn_all();
    group.turn_all();
  }
  REQUIRE(group.send(0, std::string(largest, 'y')));
  REQUIRE(group.send(0, std::string(largest, 'z')));
  group.exchange(0);
  CHECK(group.network.queued(0, 1).size() == 3);
  group.network.land();
  group.exchange(1);
  group.deliver(1);
  CHECK(group.members[1].got.back() == std::string(largest, 'z'));
}

TEST_CASE("an idle turn does no work and pushes nothing") {
  Group group(2, {0, 1});
  const auto turned = group.exchange(0);
  CHECK_FALSE(turned.worked);
  CHECK(turned.deadline == never);
  CHECK(group.network.queued(0, 1).empty());
}

TEST_CASE("news: what has landed since the last turn, and what waits to be published") {
  Group group(2, {0});
  for (int turn = 0; turn < 2; ++turn) group.turn_all();
  CHECK_FALSE(group[0].news());
  CHECK_FALSE(group[1].news());
  group.send(0, "text");
  CHECK(group[0].news());
  CHECK(group[0].pending());
  group.exchange(0);
  CHECK_FALSE(group[0].pending());
  CHECK_FALSE(group[1].news());
  group.network.land();
  CHECK(group[1].news());
  group.exchange(1);
  CHECK_FALSE(group[1].news());
  group[1].freeze(group.now);
  CHECK_FALSE(group[1].news());
}

TEST_CASE("who has settled is due again for what is claimed or comes, and while space is short") {
  Group group(2, {0, 1});
  const auto settle = [&] {
    for (int turn = 0; turn < 3; ++turn) group.turn_all();
    group.now += 1ms;
    for (int turn = 0; turn < 3; ++turn) group.turn_all();
    for (const Rank rank : {0u, 1u}) REQUIRE_FALSE(group[rank].due(group.now));
  };
  settle();
  mirror::RingWriter::Claim claim;
  REQUIRE(group[0].writer()->claim(4, claim));
  CHECK(group[0].due(group.now));  // before it is committed, for good
  group.exchange(0);
  CHECK(group[0].due(group.now));
  CHECK_FALSE(group[1].due(group.now));
  group[0].writer()->cancel(claim);
  group.exchange(0);
  group.network.land();
  CHECK(group[1].due(group.now));
  settle();
  REQUIRE(group[1].writer()->append_here(as_bytes("of the turning thread")));
  CHECK(group[1].due(group.now));
  settle();
  // Until the others have taken them, space is short: it is looked for in every turn.
  for (int message = 0; message < 3; ++message) REQUIRE(group.send(0, std::string(largest, 'q')));
  for (int turn = 0; turn < 3; ++turn) group.exchange(0);
  CHECK(group[0].due(group.now));
  settle();
  group[0].hurry();
  CHECK(group[0].due(group.now));
}

TEST_CASE("what is published between two turns travels, and the next turn takes note of it") {
  Group group(2, {0});
  group[0].publish_now();
  CHECK(group.network.queued(0, 1).empty());
  group.send(0, "early");
  group[0].publish_now();
  group.send(0, "late");
  CHECK(group.network.queued(0, 1).size() == 2);
  group.network.land();
  CHECK(group.exchange(1).worked);
  CHECK(group.deliver(1) == 1);
  for (int turn = 0; turn < 2; ++turn) group.turn_all();
  for (const Member& member : group.members) CHECK(member.got == Texts{"early", "late"});
}

TEST_CASE("nothing is published between two turns before every peer has a replica") {
  Group group(2, {0}, false);
  group.send(0, "early");
  group[0].publish_now();
  CHECK(group.network.queued(0, 1).empty());
}

TEST_CASE("who is behind: whose application has not taken what is in the rings, and how much") {
  Group group(3, {0, 2});
  for (const Lag& lag : group[0].lags()) CHECK(lag.ring_bytes == 0);
  const std::string quarter(largest, 'q');
  for (int message = 0; message < 2; ++message) REQUIRE(group.send(0, quarter));
  REQUIRE(group.send(2, "little"));
  // All receive, and 0 and 2 deliver; the application of 1 takes nothing.
  for (int turn = 0; turn < 5; ++turn) {  // `consumed` travels late
    for (Rank rank = 0; rank < 3; ++rank) {
      group.exchange(rank);
      group.network.land();
      if (rank != 1) group.deliver(rank);
    }
    group.now += std::chrono::milliseconds(1);
  }
  for (const Rank asked : {0, 1, 2}) {
    const auto lags = group[asked].lags();
    CHECK(lags[0].ring_bytes == 0);
    CHECK(lags[1].ring_bytes == ring_bytes / 2);  // of the ring of which most is left
    CHECK(lags[2].ring_bytes == 0);
    for (const Lag& lag : lags) CHECK(lag.rounds == 0);
  }
  group.deliver(1);
  CHECK(group[1].lags()[1].ring_bytes == 0);
}

TEST_CASE("who is behind: where nobody may take anything, no application is to blame") {
  Group group(3, {0});
  REQUIRE(group.send(0, "not deliverable"));
  for (int turn = 0; turn < 2; ++turn)
    for (Rank rank = 0; rank < 3; ++rank) {
      group.exchange(rank);
      group.network.land();
    }
  // Only the one that is asked knows that it could.
  CHECK(group[1].lags()[0].ring_bytes == 0);
  CHECK(group[1].lags()[1].ring_bytes > 0);
  CHECK(group[1].lags()[2].ring_bytes == 0);
}

TEST_CASE("who is behind: for whom the stack waits, and how many rounds; never for oneself") {
  Group group(3, {0, 2});
  for (int message = 0; message < 3; ++message) REQUIRE(group.send(0, "of 0"));
  REQUIRE(group.send(2, "of 2"));
  for (int turn = 0; turn < 2; ++turn) group.turn_all();
  group.members[0].order->told = {{0, 0}, {1, 1}};
  const auto lags = group[0].lags();
  CHECK(lags[0].rounds == 0);
  CHECK(lags[1].rounds == 2);
  CHECK(lags[2].rounds == 0);
}

TEST_CASE("who is behind: a view that begins knows of nobody who is") {
  Group group(3, {0});
  for (int message = 0; message < 3; ++message) REQUIRE(group.send(0, "before"));
  for (int turn = 0; turn < 2; ++turn) group.turn_all();
  group.change_view();
  for (const Member& member : group.members)
    for (const Lag& lag : member.channel->lags()) {
      CHECK(lag.rounds == 0);
      CHECK(lag.ring_bytes == 0);
    }
}

TEST_CASE("a full ring takes nothing more until the slowest member has delivered") {
  Group group(3, {0});
  const std::string quarter(largest, 'q');
  for (int message = 0; message < 4; ++message) REQUIRE(group.send(0, quarter));
  CHECK_FALSE(group.send(0, ""));
  group.exchange(0);
  group.network.land();
  // The sender and member 1 are done; member 2 has received, and not delivered.
  for (const Rank rank : {0u, 1u}) {
    group.exchange(rank);
    group.deliver(rank);
    group.exchange(rank);
  }
  group.exchange(2);
  group.network.land();
  group.exchange(0);
  CHECK_FALSE(group.send(0, ""));
  CHECK(group.deliver(2, 1) == 1);
  group.exchange(2);
  group.network.land();
  group.exchange(0);
  CHECK(group.send(0, quarter));
  CHECK_FALSE(group.send(0, ""));
}

TEST_CASE("what was consumed is told aloud once an eighth of a ring has come back") {
  Group group(2, {0});
  group.send(0, std::string(ring_bytes / 8, 'x'));
  group.exchange(0);
  group.network.land();
  group.exchange(1);
  REQUIRE(group.deliver(1) == 1);
  CHECK(group.exchange(1).worked);
  CHECK(group.network.queued(1, 0).size() == 1);
}

TEST_CASE("less than that is told quietly: after a delay, which the turn's deadline says") {
  Group group(2, {0});
  group.send(0, "small");
  group.exchange(0);
  group.network.land();
  group.exchange(1);
  REQUIRE(group.deliver(1) == 1);
  const Time deadline = group.exchange(1).deadline;
  CHECK(group.network.queued(1, 0).empty());
  REQUIRE(deadline != never);
  CHECK(deadline > group.now);
  CHECK(deadline <= group.now + 1ms);
  // Turning meanwhile does not put it off.
  group.now = deadline - 1ns;
  CHECK(group.exchange(1).deadline == deadline);
  CHECK(group.network.queued(1, 0).empty());
  group.now = deadline;
  CHECK(group.exchange(1).worked);
  CHECK(group.network.queued(1, 0).size() == 1);
  CHECK(group.exchange(1).deadline == never);
}

TEST_CASE("a quiet counter travels with a loud one, and then needs no deadline") {
  Group group(2, {0, 1});
  group.send(0, "small");
  group.exchange(0);
  group.network.land();
  group.exchange(1);
  group.deliver(1);
  group.send(1, "loud");
  CHECK(group.exchange(1).deadline == never);
  group.network.land();
  group.exchange(0);
  group.deliver(0);
  CHECK(group[0].drained());
}

TEST_CASE("deliver keeps to its limit, within one sender's run too, and goes on where it stopped") {
  Group group(2, {0, 1});
  for (int message = 0; message < 5; ++message) group.send(0, std::to_string(message));
  group.send(1, "other");
  group.exchange(1);
  group.network.land();
  group.exchange(0);
  CHECK(group.deliver(0, 2) == 2);
  CHECK(group.deliver(0, 0) == 0);
  CHECK(group.deliver(0, 2) == 2);
  // Sender 1's message comes after all of sender 0's in this order.
  CHECK(group.members[0].got == Texts{"0", "1", "2", "3"});
  CHECK(group.deliver(0, 9) == 2);
  CHECK(group.members[0].got == Texts{"0", "1", "2", "3", "4", "other"});
  CHECK(group.deliver(0, 9) == 0);
}

TEST_CASE("while a limit holds deliveries back, a turn says so: nobody goes to sleep on it") {
  Group group(2, {0});
  for (int message = 0; message < 3; ++message) group.send(0, "m");
  group.exchange(0);
  CHECK(group.deliver(0, 1) == 1);
  CHECK(group.exchange(0).deliverable);
}

TEST_CASE("nothing is published before every peer has a replica") {
  Group group(2, {0}, false);
  group.send(0, "early");
  group.exchange(0);
  group.network.land();
  group.exchange(1);
  CHECK(group.deliver(1) == 0);
  group[0].attached(fabric::PeerId{1}, ring_region);
  group[0].attached(fabric::PeerId{1}, row_region);
  group.turn_all();
  group.turn_all();
  CHECK(group.members[1].got == Texts{"early"});
}

TEST_CASE("who attaches again gets what it may still have to deliver, bytes before counters") {
  Group moved(2, {0});
  moved.send(0, "early");
  moved.exchange(0);
  moved.network.drop(0, 1);  // as for a peer that has a new, empty replica
  moved.exchange(1);
  CHECK(moved.deliver(1) == 0);
  REQUIRE(moved[0].attached(fabric::PeerId{1}, ring_region));
  const auto& queued = moved.network.queued(0, 1);
  REQUIRE(queued.size() >= 2);
  CHECK(queued.front().region == ring_region);
  CHECK(queued.back().region == row_region);
  moved.network.land();
  moved.exchange(1);
  CHECK(moved.deliver(1) == 1);
  CHECK(moved.members[1].got == Texts{"early"});
}

TEST_CASE("a channel is ready when every peer has attached its row and its ring") {
  Group group(3, {0}, false);
  for (const auto peer : {1u, 2u}) {
    CHECK_FALSE(group[0].ready());
    CHECK(group[0].attached(fabric::PeerId{peer}, ring_region));
    CHECK(group[0].attached(fabric::PeerId{peer}, row_region));
  }
  CHECK(group[0].ready());
  // Who sends nothing shows a row only.
  CHECK(group[1].attached(fabric::PeerId{0}, row_region));
  CHECK_FALSE(group[1].attached(fabric::PeerId{0}, ring_region));
  CHECK(group[1].attached(fabric::PeerId{2}, row_region));
  CHECK(group[1].ready());
  CHECK_FALSE(group[1].attached(fabric::PeerId{0}, fabric::RegionId{77}));
}

TEST_CASE("drained: when every member has delivered all that was committed here") {
  Group group(2, {0});
  CHECK(group[0].drained());
  CHECK(group[1].drained());
  group.send(0, "last");
  CHECK_FALSE(group[0].drained());
  group.turn_all();
  group.exchange(0);
  CHECK_FALSE(group[0].drained());  // member 1 has not told yet
  group.now += 1ms;
  group.turn_all();
  group.now += 1ms;
  group.turn_all();
  CHECK(group[0].drained());
}

TEST_CASE("a promise moves this member's round: peers see it, and its next message comes after") {
  Group group(2, {0, 1});
  group.members[0].order->promise = 7;
  CHECK(group.exchange(0).worked);
  CHECK(group[0].received()[0] == 7);
  group.network.land();
  group.exchange(1);
  CHECK(group[1].received()[0] == 7);
  CHECK(group.deliver(1) == 0);
  group.send(0, "after");
  group.exchange(0);
  CHECK(group[0].received()[0] == 8);
  group.network.land();
  group.exchange(1);
  CHECK(group.deliver(1) == 1);
  CHECK(group.members[1].numbers.back().second == 0);  // skips have no number
}

TEST_CASE("the turn's deadline is the earliest that anyone asks for") {
  Group group(2, {0});
  group.members[0].order->deadline = group.now + 5us;
  CHECK(group.exchange(0).deadline == group.now + 5us);
}

TEST_CASE("a damaged frame names its sender, and nothing is delivered from there on") {
  Group group(2, {0, 1});
  group.send(0, "good");
  group.send(0, "bad");
  group.send(1, "behind");
  group.exchange(0);
  group.damage(0, 32, {0xffffffff, mirror::FrameKind::message, 1});
  REQUIRE(group[0].attached(fabric::PeerId{1}, ring_region));  // pushes the damaged bytes
  group.network.land();
  group.exchange(1);
  CHECK_FALSE(group[1].culprit().has_value());
  group.deliver(1);
  CHECK(group[1].culprit() == Rank{0});
  // Sender 1's message comes behind the hole in this order.
  CHECK(group.members[1].got == Texts{"good"});
  CHECK(group.deliver(1) == 0);
}

TEST_CASE("a row that says what cannot be names its owner") {
  // The first counter of the row says how far the ring is published.
  for (const std::uint64_t published :
       {std::uint64_t{8}, std::uint64_t{1} << 40, UINT64_MAX - 15}) {
    Group peers(2, {0});
    peers.send(0, "text");
    peers.exchange(0);
    peers.network.forge(0, 1, row_region, 0, published);
    peers.network.land();
    peers.exchange(1);
    CHECK(peers[1].culprit() == Rank{0});
    CHECK(peers.deliver(1) == 0);
  }
}

TEST_CASE(
    "the bytes of a delivered message are not written over before everyone has told that it "
    "is done with them") {
  Group group(2, {0});
  const std::string quarter(largest, '1');
  for (int message = 0; message < 4; ++message) group.send(0, quarter);
  group.turn_all();
  group.turn_all();
  group.exchange(0);
  // Space came back through the rows; what is sent now is new at both.
  for (int message = 0; message < 4; ++message)
    REQUIRE(group.send(0, std::string(largest, static_cast<char>('2' + message))));
  CHECK_FALSE(group.send(0, ""));
  group.turn_all();
  group.turn_all();
  for (const Member& member : group.members) {
    REQUIRE(member.got.size() == 8);
    CHECK(member.got[0] == quarter);
    CHECK(member.got[7] == std::string(largest, '5'));
  }
}

}  // namespace
}  // namespace squall::multicast
