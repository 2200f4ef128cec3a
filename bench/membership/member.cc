#include "bench/membership/member.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "bench/launch/crew.h"
#include "bench/launch/link.h"
#include "bench/launch/play.h"
#include "bench/membership/event.h"
#include "bench/membership/lull.h"
#include "groups/fabrics.h"
#include "groups/node.h"

namespace squall::bench {
namespace {

using nlohmann::json;

constexpr Duration pace = 1ms;
constexpr Duration longest_leave = 10s;
/// From each member, until the stream counts as flowing.
constexpr unsigned flowing_after = 20;

/// The beginning of each message. Seats are ranks of the first view: ranks change, names do not.
struct Stamp {
  std::uint64_t number;
  std::uint64_t seat;
};

/// When a joiner called Node::start, and when that returned.
struct Entry {
  Time asked{};
  Time started{};
};

class Stream {
 public:
  /// `entry`: of one that joined.
  Stream(Link& link, Node& node, std::optional<Entry> entry)
      : link_(link),
        node_(node),
        group_(*node.group(membership_group)),
        seat_(node.rank()),
        payload_(membership_message_bytes, std::byte{0x5a}),
        heard_(node.view()->size(), 0),
        entry_(entry),
        awaited_(entry ? 1 : flowing_after),
        first_view_(!entry),
        watches_lull_(!entry && link.task().value("event", "") == name_of(Event::join)) {
    // Who joins comes in the middle of what the others say.
    if (!entry) expected_.fill(0);
    group_.on_deliver([this](const Delivery& delivery) { on_deliver(delivery); });
    node_.on_view([this](const ViewChange& change) { on_view(change); });
  }
  ~Stream() {
    group_.on_deliver(nullptr);
    node_.on_view(nullptr);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Until it is told to stop; told to leave, it does so first.
  Result<> run();

 private:
  void on_deliver(const Delivery& delivery);
  void on_view(const ViewChange& change);
  Result<> send_next();
  Result<> leave();
  /// From everyone in the current view, and nobody was told.
  bool flows() const;
  /// Tells what is new since the last turn.
  Result<> tell();
  Result<> tell_lull();
  Result<> say(const char* word, json what) { return link_.channel().send({{word, what}}); }

  Link& link_;
  Node& node_;
  Group& group_;
  std::uint64_t seat_;
  std::vector<std::byte> payload_;
  std::uint64_t sent_ = 0;
  std::array<std::optional<std::uint64_t>, max_crew> expected_;  // by seat
  bool wrong_ = false;
  std::vector<unsigned> heard_;  // by rank in the current view
  std::optional<Entry> entry_;   // not said yet
  std::optional<Time> first_delivery_;
  unsigned awaited_;  // of each; 0: it was said already
  bool first_view_;
  bool watches_lull_;
  Lull lull_;
  std::optional<Time> changed_at_;  // not said yet what that cost
  json views_ = json::array();      // not said yet
};

/// Across views each sender's messages go on, without a gap and without a repeat.
void Stream::on_deliver(const Delivery& delivery) {
  Stamp stamp{};
  wrong_ = wrong_ || delivery.bytes.size() != membership_message_bytes;
  if (!wrong_) std::memcpy(&stamp, delivery.bytes.data(), sizeof(stamp));
  wrong_ = wrong_ || stamp.seat >= max_crew;
  if (!wrong_) {
    auto& expected = expected_[stamp.seat];
    wrong_ = expected && stamp.number != *expected;
    expected = stamp.number + 1;
  }
  ++heard_[delivery.sender];
  if (!first_delivery_ && entry_) first_delivery_ = Monotonic::now();
  if (watches_lull_) lull_.delivered(Monotonic::now(), delivery.sender == node_.rank());
}

void Stream::on_view(const ViewChange& change) {
  const Time now = Monotonic::now();
  json names = json::array();
  for (const auto& member : change.view->members) names.push_back(member.name);
  views_.push_back({{"at_ns", now.time_since_epoch().count()},
                    {"members", std::move(names)},
                    {"gone", change.gone}});
  heard_.assign(change.view->size(), 0);
  awaited_ = 1;
  first_view_ = false;
  if (watches_lull_ && !change.came.empty()) changed_at_ = now;
}

Result<> Stream::send_next() {
  const Stamp stamp{sent_, seat_};
  std::memcpy(payload_.data(), &stamp, sizeof(stamp));
  auto sent = group_.try_send(payload_);
  if (sent) ++sent_;
  if (sent && watches_lull_) lull_.sent(Monotonic::now());
  if (!sent && sent.error().code == Code::would_block) return {};  // nobody takes anything just now
  return sent;
}

bool Stream::flows() const {
  return awaited_ > 0 &&
         std::ranges::all_of(heard_, [&](unsigned heard) { return heard >= awaited_; });
}

Result<> Stream::tell() {
  const Time now = Monotonic::now();
  for (json& view : std::exchange(views_, json::array()))
    if (auto said = say("view", std::move(view)); !said) return said;
  if (wrong_)
    return fail(Code::lost, "a message was lost, delivered twice, out of order or damaged");
  if (const auto error = node_.stopped()) return tl::unexpected(*error);
  if (entry_ && first_delivery_) {
    auto said = say("joined", {{"asked_ns", entry_->asked.time_since_epoch().count()},
                               {"started_ns", entry_->started.time_since_epoch().count()},
                               {"at_ns", first_delivery_->time_since_epoch().count()}});
    entry_.reset();
    if (!said) return said;
  }
  if (changed_at_ && now > *changed_at_ + Lull::around)
    if (auto said = tell_lull(); !said) return said;
  if (!flows()) return {};
  awaited_ = 0;
  return say(first_view_ ? "ready" : "resumed", {{"fabric", node_.fabric()},
                                                 {"heartbeat_ns", node_.timing().interval.count()},
                                                 {"timeout_ns", node_.timing().timeout.count()},
                                                 {"at_ns", now.time_since_epoch().count()}});
}

Result<> Stream::tell_lull() {
  const Lull::Span cost = lull_.at_change(*changed_at_);
  const Lull::Span normal = lull_.before_change(*changed_at_);
  changed_at_.reset();
  return say("lull", {{"gap_ns", cost.gap.count()},
                      {"slowest_ns", cost.slowest.count()},
                      {"normal_gap_ns", normal.gap.count()},
                      {"normal_slowest_ns", normal.slowest.count()}});
}

Result<> Stream::leave() {
  const auto now = [] { return Monotonic::now().time_since_epoch().count(); };
  if (auto said = say("leaving", {{"at_ns", now()}}); !said) return said;
  auto left = node_.leave(Monotonic::now() + longest_leave);
  if (left && wrong_)
    return fail(Code::lost, "a message was lost, delivered twice, out of order or damaged");
  return left ? say("left", {{"at_ns", now()}}) : left;
}

Result<> Stream::run() {
  while (!link_.channel().closed()) {
    if (const auto word = link_.channel().receive())
      return word->contains("leave") ? leave() : Result<>{};
    if (auto sent = send_next(); !sent) return sent;
    // To look whether it is told anything is a system call: not at every turn.
    for (const Time next_send = Monotonic::now() + pace; Monotonic::now() < next_send;) {
      if (!node_.poll()) node_.idle(next_send);
      if (auto told = tell(); !told) return told;
    }
  }
  return {};
}

}  // namespace

int stream_as_member() {
  return play_member([](Link& link) -> Result<> {
    std::optional<Entry> entry;
    if (link.config().start == Start::join) {
      if (link.task().value("warm", false)) static_cast<void>(fabrics_on_host());
      static_cast<void>(link.channel().send({{"ready", json::object()}}));
      if (!link.channel().receive_until(never)) return {};  // it is not wanted any more
      entry = Entry{Monotonic::now(), {}};
    }
    auto node = Node::start(link.config());
    if (!node) return tl::unexpected(node.error());
    if (entry) entry->started = Monotonic::now();
    return Stream(link, **node, entry).run();
  });
}

}  // namespace squall::bench
