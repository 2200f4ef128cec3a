#include "test/simulation/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/engine/turn.h"
#include "test/checker/trace.h"

namespace squall::scenarios {
namespace {

checker::Process process_of(Rank rank) {
  return {NodeId{rank + 1}, Incarnation{1}};
}

std::vector<checker::Process> processes_of(const View& view) {
  std::vector<checker::Process> all;
  for (const Member& each : view.members) all.push_back({each.id, each.incarnation});
  return all;
}

class Run {
 public:
  explicit Run(const Scenario& scenario)
      : scenario_(scenario),
        random_(scenario.seed),
        members_(scenario.options.members),
        cluster_(scenario.options, [this](Rank member, const multicast::Delivery& message) {
          deliver(member, message);
        }) {}

  Outcome go() {
    for (Rank rank = 0; rank < scenario_.options.members; ++rank) {
      members_[rank].from.resize(members_.size());
      install(rank, cluster_.state(rank).view());
      cluster_.turn(rank).on_view(
          [this, rank](const engine::Installed& installed) { install(rank, installed.view); });
      traffic_end_ =
          std::max(traffic_end_, Time{} + scenario_.gaps[rank] *
                                              static_cast<std::int64_t>(scenario_.messages[rank]));
    }
    cluster_.set_application([this](Rank member) { return application(member); });
    cluster_.set_after_turn([this](Rank member) { look_at(member); });
    for (std::size_t index = 0; index < scenario_.faults.size(); ++index) {
      const Fault& fault = scenario_.faults[index];
      if (fault.kind == Fault::Kind::crash_ballots)
        cluster_.crash_before_ballot(fault.victim, fault.count);
      else if (fault.when == Fault::When::time)
        begin_at(Time{} + fault.at, index);
      else if (fault.when == Fault::When::deliveries && fault.count == 0)
        begin_at(Time{}, index);
    }
    // What happens on the way may move the limit.
    bool done = false;
    for (Time until = limit(); !done && cluster_.now() < until; until = limit())
      done = cluster_.run_until([this] { return complete(); }, until);
    if (!done && outcome_.violations.empty()) late();
    outcome_.took = cluster_.now() - Time{};
    check(done);
    outcome_.trace_hash = cluster_.network().trace_hash();
    outcome_.events = checker_.events();
    return std::move(outcome_);
  }

 private:
  struct Of {  // of a member
    std::size_t sent = 0;
    std::vector<std::size_t> from;  // delivered, by sender
    bool out = false;               // crashed, or stopped
    bool formed = false;
    Time next_send{};
    checker::Event vote;  // its last
  };

  // --- what the members do

  bool application(Rank member) {
    Of& of = members_[member];
    if (of.sent == scenario_.messages[member] || cluster_.now() < of.next_send) return false;
    if (of.out || (scenario_.waits_for_start && !of.formed)) return false;
    // The ends of the range more often than chance would have them.
    const std::uint64_t most = scenario_.most_bytes;
    const std::uint64_t bytes = random_.one_in(8)   ? 0
                                : random_.one_in(8) ? most
                                                    : random_.below(most + 1);
    message_.resize(bytes);
    for (std::byte& byte : message_) byte = static_cast<std::byte>(random_.next());
    if (!cluster_.try_send(member, message_)) return false;
    checker_.add(checker::send(process_of(member), of.sent++, checker::digest(message_)));
    of.next_send = cluster_.now() + scenario_.gaps[member];
    if (of.next_send > cluster_.now())
      cluster_.network().at(of.next_send, [this, member] { cluster_.wake(member); });
    return true;
  }

  void install(Rank member, const View& view) {
    checker_.add(checker::install(process_of(member), view.id, processes_of(view)));
    last_view_ = std::max(last_view_, raw(view.id));
  }

  void deliver(Rank member, const multicast::Delivery& message) {
    const View& view = cluster_.state(member).view();
    const auto sender = static_cast<Rank>(raw(view.members[message.sender].id) - 1);
    ++members_[member].from[sender];
    checker_.add(checker::deliver(process_of(member), view.id, message.position, process_of(sender),
                                  message.number, checker::digest(message.bytes)));
    ++outcome_.deliveries;
    for (std::size_t index = 0; index < scenario_.faults.size(); ++index)
      if (const Fault& fault = scenario_.faults[index]; fault.when == Fault::When::deliveries &&
                                                        fault.count == outcome_.deliveries &&
                                                        fault.kind != Fault::Kind::crash_ballots)
        begin_at(cluster_.now(), index);
  }

  void look_at(Rank member) {
    Of& of = members_[member];
    if (const View* view = cluster_.state(member).accepted(); view && !of.out) {
      auto vote = checker::accept(process_of(member), view->id, processes_of(*view));
      if (vote != of.vote) checker_.add(vote);
      of.vote = std::move(vote);
    }
    const auto phase = cluster_.state(member).phase();
    const bool stopped = phase == engine::Turn::Phase::stopped;
    of.formed |= phase == engine::Turn::Phase::running;
    if (of.out || (cluster_.alive(member) && !stopped)) return;
    of.out = true;
    checker_.add(checker::crash(process_of(member)));
    last_fault_ = std::max(last_fault_, cluster_.now());
    // Who stops may be gone at once, or linger as a process that does nothing; not while the first
    // view forms, since the others would wait for it as for one that is slow to start.
    if (stopped && (!of.formed || random_.one_in(2)))
      cluster_.network().at(cluster_.now(), [this, member] { cluster_.crash(member); });
  }

  // --- what goes wrong, as events of the network: never inside a turn

  void begin_at(Time time, std::size_t index) {
    ++pending_;
    last_fault_ = std::max(last_fault_, time);
    cluster_.network().at(time, [this, index] { begin(index); });
  }

  void begin(std::size_t index) {
    auto& network = cluster_.network();
    const Fault& fault = scenario_.faults[index];
    const Time now = cluster_.now();
    if (index + 1 < scenario_.faults.size()) {
      const Fault& next = scenario_.faults[index + 1];
      if (next.when == Fault::When::after && next.kind != Fault::Kind::crash_ballots)
        begin_at(now + next.at, index + 1);
    }
    const std::string from = simulation::Cluster::name(fault.victim);
    const std::string to = simulation::Cluster::name(fault.other);
    Duration lasts = fault.lasts;
    switch (fault.kind) {
      case Fault::Kind::crash:
        lasts = Duration{0};
        crash(fault.victim);
        break;
      case Fault::Kind::crash_ballots:
        break;
      case Fault::Kind::cut_crash:
      case Fault::Kind::cut:
        network.cut(from, to);
        break;
      case Fault::Kind::partition:
        across(fault,
               [&](const std::string& one, const std::string& two) { network.cut(one, two); });
        break;
      case Fault::Kind::delay:
        delay(fault, fault.lag);
        break;
      case Fault::Kind::slow:
        network.slow(from, fault.lag);
        break;
      case Fault::Kind::stall:
        cluster_.stall(fault.victim, now + lasts);
        break;
    }
    // What left late arrives late.
    last_fault_ = std::max(last_fault_, now + lasts + fault.lag);
    network.at(now + lasts, [this, index] { end(index); });
  }

  void end(std::size_t index) {
    --pending_;
    auto& network = cluster_.network();
    const Fault& fault = scenario_.faults[index];
    const std::string from = simulation::Cluster::name(fault.victim);
    const std::string to = simulation::Cluster::name(fault.other);
    switch (fault.kind) {
      case Fault::Kind::cut_crash:
        crash(fault.victim);
        [[fallthrough]];
      case Fault::Kind::cut:
        network.heal(from, to);
        break;
      case Fault::Kind::partition:
        across(fault,
               [&](const std::string& one, const std::string& two) { network.heal(one, two); });
        break;
      case Fault::Kind::delay:
        delay(fault, Duration{0});
        break;
      case Fault::Kind::slow:
        network.slow(from, Duration{0});
        break;
      case Fault::Kind::crash:
      case Fault::Kind::crash_ballots:
      case Fault::Kind::stall:
        break;
    }
  }

  template <class Action>
  void across(const Fault& fault, Action action) {
    for (Rank one = 0; one < members_.size(); ++one)
      for (Rank two = 0; two < members_.size(); ++two)
        if ((fault.side >> one & 1) != (fault.side >> two & 1))
          action(simulation::Cluster::name(one), simulation::Cluster::name(two));
  }

  void delay(const Fault& fault, Duration lag) {
    for (Rank rank = 0; rank < members_.size(); ++rank)
      if (rank != fault.victim && (rank == fault.other || fault.victim == fault.other))
        cluster_.network().delay(simulation::Cluster::name(fault.victim),
                                 simulation::Cluster::name(rank), lag);
  }

  void crash(Rank victim) {
    cluster_.crash(victim);
    look_at(victim);
  }

  // --- the end

  Time limit() const { return std::max(traffic_end_, last_fault_) + liveness_bound; }

  /// Those that live are running in the last view, which is theirs alone.
  bool connected_core() {
    Rank live = 0;
    for (Rank rank = 0; rank < members_.size(); ++rank) live += !members_[rank].out;
    for (Rank rank = 0; rank < members_.size(); ++rank) {
      if (members_[rank].out) continue;
      const auto& turn = cluster_.state(rank);
      if (turn.phase() != engine::Turn::Phase::running || turn.view().size() != live ||
          raw(turn.view().id) != last_view_)
        return false;
    }
    return true;
  }

  /// While traffic goes on, too, the view must settle in time.
  void watch_core() {
    const Time now = cluster_.now();
    if (now < last_fault_ || settled_for_ == last_fault_) return;
    if (!connected_core() && now <= last_fault_ + liveness_bound) return;
    if (!connected_core()) late();
    settled_for_ = last_fault_;
  }

  bool complete() {
    watch_core();
    if (pending_ != 0) return false;
    for (Rank rank = 0; rank < members_.size(); ++rank) {
      if (members_[rank].out) continue;
      if (members_[rank].sent != scenario_.messages[rank]) return false;
      for (Rank sender = 0; sender < members_.size(); ++sender)
        if (!members_[sender].out && members_[rank].from[sender] < members_[sender].sent)
          return false;
    }
    return connected_core();
  }

  void late() {
    std::string text =
        fmt::format("liveness: at {} us, {} ms after the last fault, not done:",
                    (cluster_.now() - Time{}) / 1us, (cluster_.now() - last_fault_) / 1ms);
    for (Rank rank = 0; rank < members_.size(); ++rank) {
      const auto& turn = cluster_.state(rank);
      text +=
          fmt::format("\n    member {}{}: view {} of {}, phase {}{}, sent {}, delivered {}", rank,
                      members_[rank].out ? " (out)" : "", raw(turn.view().id), turn.view().size(),
                      static_cast<int>(turn.phase()), turn.isolated() ? " (isolated)" : "",
                      members_[rank].sent, fmt::join(members_[rank].from, " "));
      if (turn.failure()) text += ", " + turn.failure()->text();
    }
    outcome_.violations.push_back(std::move(text));
  }

  void check(bool done) {
    checker::Guarantees guarantees;
    guarantees.total = scenario_.total;
    // While no view ends nothing is trimmed, so every stack gives what `stable` would.
    guarantees.stable = scenario_.stable || last_view_ == 1;
    guarantees.quiesced = done;
    guarantees.acceptances = true;
    const auto violations = checker_.check(guarantees);
    for (const auto& violation : violations) outcome_.violations.push_back(violation.text);
  }

  const Scenario& scenario_;
  Random random_;
  checker::Checker checker_;
  Outcome outcome_;
  std::vector<Of> members_;  // by rank in the first view
  std::vector<std::byte> message_;
  std::uint64_t last_view_ = 0;
  std::size_t pending_ = 0;   // faults that have a time and have not ended
  Time last_fault_{};         // its end
  Time settled_for_ = never;  // the view has settled since that end
  Time traffic_end_{};
  simulation::Cluster cluster_;
};

}  // namespace

std::string Outcome::report(const Scenario& scenario) const {
  std::string text = scenario.text() + "\n";
  for (const std::string& violation : violations) text += "  " + violation + "\n";
  text += fmt::format(
      "replay: bazel run //test/simulation:swarm -- {0}\n"
      "trace:  bazel run //test/simulation:swarm -- {0} --trace\n",
      scenario.replay);
  return text;
}

Outcome run(const Scenario& scenario) {
  return Run(scenario).go();
}

}  // namespace squall::scenarios
