// The causal order: by hand, then on random schedules, where each message's real past is known.

#include "groups/modules/causal.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/mirror/fake_network.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/table.h"
#include "core/multicast/stage.h"
#include "groups/modules/stage_test_kit.h"

namespace squall::modules {
namespace {

const mirror::Column past_of_three{0, 3};

/// Member `from` tells that it may have delivered sender `of` up to here.
void tell(At<Causal>& at, Rank from, multicast::SenderIndex of, Round end) {
  at.tables[from]->raise(past_of_three, of, end);
  at.tables[from]->push();
  at.network.land();
}

TEST_CASE("causal: what depends on nothing that is missing passes at once, whoever is silent") {
  At<Causal> causal(3, 0, {0, 1, 2});
  CHECK(causal.step({5, 0, 9}) == Rounds{5, 0, 9});
  CHECK(causal.step({5, 3, 9}) == Rounds{5, 3, 9});
}

TEST_CASE("causal: a message waits for its past, and what came before it does not") {
  At<Causal> causal(3, 0, {0, 1, 2});
  CHECK(causal.step({0, 2, 0}) == Rounds{0, 2, 0});
  tell(causal, 1, 2, 4);  // member 1 has delivered four of member 2's
  CHECK(causal.step({0, 3, 0}) == Rounds{0, 2, 0});
  CHECK(causal.step({0, 3, 3}) == Rounds{0, 2, 3});
  CHECK(causal.step({0, 3, 4}) == Rounds{0, 3, 4});
}

TEST_CASE("causal: pasts that look circular, since they are of batches, pass together") {
  At<Causal> causal(3, 0, {0, 1, 2});
  tell(causal, 1, 2, 1);
  tell(causal, 2, 1, 1);
  // Sender 1 sent, 2 answered, 1 answered that: both rounds of 1 come as one batch.
  CHECK(causal.step({0, 2, 0}) == Rounds{0, 0, 0});
  CHECK(causal.step({0, 2, 2}) == Rounds{0, 2, 2});
}

TEST_CASE("causal: who goes on delivering starves nobody who waits for its older messages") {
  At<Causal> causal(3, 0, {0, 1, 2});
  // Each message of sender 1 depends on one more of sender 2, whose messages come ten later.
  for (Round round = 1; round <= 60; ++round) {
    tell(causal, 1, 2, round);
    const Round late = round < 10 ? 0 : round - 10;
    const Rounds frontier = causal.step({0, round, late});
    CHECK(frontier == Rounds{0, late, late});
    causal.passed = frontier;
  }
}

TEST_CASE("causal: with more batches than are kept apart, the oldest still go on") {
  At<Causal> causal(3, 0, {0, 1, 2});
  for (Round round = 1; round <= 100; ++round) {
    tell(causal, 1, 2, round);
    CHECK(causal.step({0, round, 0}) == Rounds{0, 0, 0});
  }
  CHECK(causal.step({0, 100, 7}) == Rounds{0, 7, 7});
  CHECK(causal.step({0, 100, 50}) == Rounds{0, 15, 50});
  CHECK(causal.step({0, 100, 100}) == Rounds{0, 100, 100});
}

TEST_CASE("causal: the frontier stays where it is while a stage above holds everything back") {
  At<Causal> causal(3, 0, {0, 1, 2});
  for (Round round = 1; round <= 100; ++round) {
    tell(causal, 1, 2, round);
    CHECK(causal.step({0, round, round}) == Rounds{0, round, round});
  }
  tell(causal, 1, 2, 200);
  CHECK(causal.step({0, 101, 100}) == Rounds{0, 100, 100});
  Rounds frontier{0, 100, 100};
  causal.stage->close(frontier);
  CHECK(frontier == Rounds{0, 100, 100});
}

TEST_CASE("causal: skips need no past, neither theirs nor to be in one") {
  At<Causal> causal(3, 0, {0, 1, 2});
  tell(causal, 1, 2, 4);
  CHECK(causal.step({0, 50, 0}, {0, 0, 0}) == Rounds{0, 50, 0});
  // This member's own past counts messages, and its promise goes beyond them only.
  CHECK(causal.step({0, 50, 60}, {0, 0, 5}) == Rounds{0, 50, 60});
  CHECK(causal.promise == 5);
  CHECK(causal.tables[0]->get(0, past_of_three, 1) == 0);
  CHECK(causal.tables[0]->get(0, past_of_three, 2) == 5);
  // A message behind skips takes back none of them.
  tell(causal, 1, 2, 70);
  CHECK(causal.step({0, 51, 60}, {0, 51, 5}) == Rounds{0, 50, 60});
}

TEST_CASE("causal: what a stage above cuts, cuts what depends on it, and nothing that has passed") {
  At<Causal> causal(3, 0, {0, 1, 2});
  causal.step({0, 2, 4});
  tell(causal, 1, 2, 4);
  CHECK(causal.step({0, 6, 4}) == Rounds{0, 6, 4});
  Rounds frontier{0, 6, 3};
  causal.stage->close(frontier);
  CHECK(frontier == Rounds{0, 2, 3});
  frontier = {0, 1, 3};
  causal.stage->close(frontier);
  CHECK(frontier == Rounds{0, 1, 3});
  causal.passed = {0, 6, 4};
  causal.step({0, 6, 4});
  frontier = {0, 6, 4};
  causal.stage->close(frontier);
  CHECK(frontier == Rounds{0, 6, 4});
}

/// Members that send and take what has arrived, as they like, over links that are as slow as they
/// like. A member is a sender, and knows what it has delivered.
class Play {
 public:
  explicit Play(Rank members) : network_(members) {
    for (Rank rank = 0; rank < members; ++rank) {
      mirror::TableLayout layout;
      std::vector<Rank> senders(members);
      for (Rank each = 0; each < members; ++each) senders[each] = each;
      Member member;
      member.order = std::make_unique<Causal>(multicast::Shape{members, rank, senders}, layout);
      // As in a channel: what says that messages have come travels with the rest of the row.
      rounds_ = layout.add(1, mirror::TableLayout::Place::own_line);
      member.table = mirror::Table::create(network_.node(rank), fabric::RegionId{1}, layout, rank,
                                           network_.peers())
                         .value();
      member.received.assign(members, 0);
      member.passed.assign(members, 0);
      member.delivered.assign(members, 0);
      members_.push_back(std::move(member));
    }
  }

  void act(Rank rank) {
    Member& me = members_[rank];
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        return publish(me, rank);
      case 1:
        network_.land(rank, *rc::gen::inRange<Rank>(0, size()));
        return;
      default:
        return take(me, rank);
    }
  }
  /// In the end everything arrives, and is delivered.
  void finish() {
    for (int turn = 0; turn < 4; ++turn) {
      network_.land();
      for (Rank rank = 0; rank < size(); ++rank) take(members_[rank], rank, false);
    }
    for (const Member& member : members_)
      for (Rank sender = 0; sender < size(); ++sender)
        RC_ASSERT(member.delivered[sender] == members_[sender].sent.size());
  }

 private:
  struct Message {
    Round round;
    std::vector<std::size_t> past;  // by sender: so many messages
  };
  struct Member {
    std::unique_ptr<Causal> order;
    std::unique_ptr<mirror::Table> table;
    std::vector<Message> sent;
    Round next = 0;
    Rounds received, passed;
    std::vector<std::size_t> delivered;  // by sender: so many messages
  };
  Rank size() const { return static_cast<Rank>(members_.size()); }

  void publish(Member& me, Rank rank) {
    for (auto left = *rc::gen::inRange(1, 4); left > 0; --left) {
      me.sent.push_back({me.next++, me.delivered});
      me.sent.back().past[rank] = me.sent.size() - 1;
    }
    me.table->raise(rounds_, 0, me.next);
    me.table->push();
  }

  void take(Member& me, Rank rank, bool may_cut = true) {
    Rounds messages(size());
    for (Rank sender = 0; sender < size(); ++sender) {
      me.received[sender] = sender == rank ? me.next : me.table->get(sender, rounds_);
      for (const Message& message : members_[sender].sent)
        if (message.round < me.received[sender]) messages[sender] = message.round + 1;
    }
    Rounds frontier(size());
    multicast::StageOutput output{frontier};
    me.order->step({Time{}, me.received, me.received, messages, me.passed}, *me.table, output);
    me.next = std::max(me.next, output.promise);
    me.table->push();
    for (Rank sender = 0; sender < size(); ++sender) {
      RC_ASSERT(frontier[sender] >= me.passed[sender]);
      RC_ASSERT(frontier[sender] <= me.received[sender]);
    }
    // A stage above may hold some of it back.
    for (Rank sender = 0; sender < size() && may_cut; ++sender)
      if (*rc::gen::inRange(0, 3) == 0)
        frontier[sender] = *rc::gen::inRange(me.passed[sender], frontier[sender] + 1);
    me.order->close(frontier);
    for (Rank sender = 0; sender < size(); ++sender)
      RC_ASSERT(frontier[sender] >= me.passed[sender]);
    me.passed = frontier;
    deliver(me);
  }

  void deliver(Member& me) {
    std::vector<multicast::Run> runs(3);
    for (;;) {
      Rounds heads(size(), mirror::no_round);
      for (Rank sender = 0; sender < size(); ++sender)
        if (me.delivered[sender] < members_[sender].sent.size())
          heads[sender] = members_[sender].sent[me.delivered[sender]].round;
      const std::size_t count = me.order->walk(heads, me.passed, runs);
      if (count == 0) return;
      for (std::size_t run = 0; run < count; ++run) deliver_run(me, runs[run]);
    }
  }
  void deliver_run(Member& me, const multicast::Run& run) {
    const auto& sent = members_[run.sender].sent;
    std::size_t& at = me.delivered[run.sender];
    for (; at < sent.size() && sent[at].round < run.end; ++at)
      for (Rank sender = 0; sender < size(); ++sender)
        RC_ASSERT(me.delivered[sender] >= sent[at].past[sender]);
  }

  mirror::FakeNetwork network_;
  mirror::Column rounds_;
  std::vector<Member> members_;
};

TEST_CASE("causal: nothing is delivered before anything of its past, and all is in the end") {
  CHECK(rc::check([] {
    const auto members = *rc::gen::inRange<Rank>(2, 5);
    Play play(members);
    for (auto steps = *rc::gen::inRange(1, 120); steps > 0; --steps)
      play.act(*rc::gen::inRange<Rank>(0, members));
    play.finish();
  }));
}

}  // namespace
}  // namespace squall::modules
