#include "bench/schedules/network.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "core/base/assert.h"

namespace squall::bench {
namespace {

using multicast::bulk::Block;
using multicast::bulk::Kind;
using multicast::bulk::Move;
using multicast::bulk::Place;
using multicast::bulk::Schedule;
using multicast::bulk::Step;

/// Picoseconds: 64 bytes are 5.12 ns at 100 Gb/s.
using Tick = std::int64_t;
constexpr Tick ticks_per_ns = 1000;
constexpr double ticks_per_second = 1e12;

struct Event {
  enum class What : std::uint8_t {
    arrives,   // the first byte of a block is at its receiver
    is_here,   // all of it is
    is_known,  // to its sender, too
    is_ready,  // the receiver, for a block that its sender may have
  };
  Tick at = 0;
  std::uint64_t number = 0;  // what happens at one moment happens in the order it was added
  What what{};
  Place from = 0;
  Place to = 0;
  Block block = 0;
  friend bool operator>(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.number > b.number;
  }
};

struct Member {
  std::unique_ptr<const Schedule> schedule;
  std::vector<bool> has;
  std::vector<bool> ready;  // for a block, as its sender knows
  // Sending:
  Step step = 0;  // of `next`
  std::optional<Move> next;
  unsigned outstanding = 0;
  Tick out_is_free = 0;
  // Receiving:
  std::vector<Move> expects;  // in the order of its schedule
  std::size_t complete = 0;   // of these, all before are here
  Tick in_is_free = 0;

  void look_for_next() {
    for (next.reset(); step < schedule->steps(); ++step)
      if ((next = schedule->sends(step))) return;
  }
};

class Run {
 public:
  Run(Kind kind, Place members, const Object& object, const Network& network)
      : block_ticks_(ticks_of(object.block_bytes, network)),
        last_ticks_(ticks_of(object.bytes - (object.blocks() - 1) * object.block_bytes, network)),
        latency_ticks_(network.latency.count() * ticks_per_ns),
        last_(static_cast<Block>(object.blocks() - 1)),
        window_(network.window),
        ready_(network.ready),
        missing_(object.blocks() * (members - 1)) {
    for (Place self = 0; self < members; ++self) {
      Member& member = members_.emplace_back();
      member.schedule = Schedule::make(kind, members, last_ + 1, self);
      member.has.assign(last_ + 1, self == 0);
      member.ready.assign(last_ + 1, ready_ == 0);
      member.look_for_next();
      if (ready_ == 0 || self == 0) continue;
      for (Step step = 0; member.expects.size() <= last_; ++step)
        if (const auto move = member.schedule->receives(step)) member.expects.push_back(*move);
      // Everyone knows the schedules, so nobody must be told how they begin.
      for (std::size_t i = 0; i < std::min<std::size_t>(ready_, member.expects.size()); ++i)
        member.ready[member.expects[i].block] = true;
    }
  }

  Tick run() {
    send_from(0);
    while (missing_ > 0) {
      SQUALL_ASSERT(!events_.empty(), "a schedule comes to its end");
      const Event event = events_.top();
      events_.pop();
      now_ = event.at;
      happens(event);
    }
    return now_;
  }

 private:
  static Tick ticks_of(std::uint64_t bytes, const Network& network) {
    return std::llround(static_cast<double>(bytes) / network.bytes_per_second * ticks_per_second);
  }
  Tick ticks_of(Block block) const { return block == last_ ? last_ticks_ : block_ticks_; }

  void add(Tick at, Event::What what, Place from, Place to, Block block) {
    events_.push({at, ++added_, what, from, to, block});
  }

  void happens(const Event& event) {
    Member& receiver = members_[event.to];
    switch (event.what) {
      case Event::What::arrives:
        receiver.in_is_free = std::max(now_, receiver.in_is_free) + ticks_of(event.block);
        return add(receiver.in_is_free, Event::What::is_here, event.from, event.to, event.block);
      case Event::What::is_here:
        SQUALL_ASSERT(!receiver.has[event.block], "everyone gets every block once");
        receiver.has[event.block] = true;
        --missing_;
        add(now_ + latency_ticks_, Event::What::is_known, event.from, event.to, event.block);
        invite(event.to);
        return send_from(event.to);
      case Event::What::is_known:
        --members_[event.from].outstanding;
        return send_from(event.from);
      case Event::What::is_ready:
        receiver.ready[event.block] = true;
        return send_from(event.from);
    }
  }

  void invite(Place self) {
    Member& member = members_[self];
    for (; member.complete < member.expects.size() &&
           member.has[member.expects[member.complete].block];
         ++member.complete) {
      const std::size_t invited = member.complete + ready_;
      if (invited >= member.expects.size()) continue;
      const Move& move = member.expects[invited];
      add(now_ + latency_ticks_, Event::What::is_ready, move.peer, self, move.block);
    }
  }

  /// All that may leave now.
  void send_from(Place self) {
    Member& member = members_[self];
    while (member.next && member.outstanding < window_) {
      const Move move = *member.next;
      if (!member.has[move.block] || !members_[move.peer].ready[move.block]) return;
      const Tick begins = std::max(now_, member.out_is_free);
      member.out_is_free = begins + ticks_of(move.block);
      ++member.outstanding;
      add(begins + latency_ticks_, Event::What::arrives, self, move.peer, move.block);
      ++member.step;
      member.look_for_next();
    }
  }

  const Tick block_ticks_;
  const Tick last_ticks_;
  const Tick latency_ticks_;
  const Block last_;
  const unsigned window_;
  const unsigned ready_;
  std::uint64_t missing_;  // blocks, of all members together
  std::vector<Member> members_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t added_ = 0;
  Tick now_ = 0;
};

}  // namespace

Duration replication_time(Kind kind, Place members, const Object& object, const Network& network) {
  SQUALL_ASSERT(members > 0 && network.window > 0, "an owner, and a block that may leave");
  return Duration(Run(kind, members, object, network).run() / ticks_per_ns);
}

}  // namespace squall::bench
