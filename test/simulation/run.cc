#include "test/simulation/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/engine/turn.h"
#include "test/checker/checker.h"
#include "test/simulation/past.h"
#include "test/simulation/recorder.h"
#include "test/simulation/trouble.h"

namespace squall::scenarios {
namespace {

// A hundred times what the busiest takes.
constexpr std::uint64_t most_turns = 20'000'000;
constexpr std::size_t most_told = 8;  // violations

class Run {
 public:
  explicit Run(const Scenario& scenario)
      : scenario_(scenario),
        random_(scenario.seed),
        members_(scenario.options.members),
        cluster_(
            with_state(scenario.options),
            [this](Rank member, const multicast::Delivery& message) { deliver(member, message); }),
        trouble_(scenario.faults, cluster_,
                 {[this](Rank victim) { crash(victim); }, [this](Rank victim) { leave(victim); }}) {
  }

  Outcome go() {
    for (Rank rank = 0; rank < scenario_.options.members; ++rank) {
      come(rank);
      traffic_end_ =
          std::max(traffic_end_, Time{} + scenario_.gaps[rank] *
                                              static_cast<std::int64_t>(scenario_.messages[rank]));
    }
    cluster_.set_application([this](Rank member) { return application(member); });
    cluster_.set_after_turn([this](Rank member) { look_at(member); });
    cluster_.set_came([this](Rank member) {
      come(member);
      traffic_end_ = std::max(traffic_end_, cluster_.now() + gap(member) * to_send(member));
    });
    trouble_.begin();
    // What happens on the way may move the limit.
    bool done = false;
    for (Time until = limit(); !done && cluster_.now() < until; until = limit())
      done = cluster_.run_until([this] { return complete(); }, until);
    if (storm())
      outcome_.violations.push_back(
          fmt::format("liveness: {} turns in {} ms", turns_, (cluster_.now() - Time{}) / 1ms));
    if (!done && outcome_.violations.empty()) late();
    outcome_.took = cluster_.now() - Time{};
    check(done);
    outcome_.trace_hash = cluster_.network().trace_hash();
    outcome_.events = recorder_.trace().events();
    return std::move(outcome_);
  }

 private:
  struct Of {  // of a member
    bool formed = false;
    bool leaving = false;
    Time next_send{};
  };

  // --- what the members do

  simulation::Options with_state(simulation::Options options) {
    options.state = [this](Rank member) {
      return state_hooks(
          scenario_.padding, [this, member] { return recorder_.past(member).encode(); },
          [this, member](Bytes bytes) -> Result<> {
            auto past = Past::decode(bytes);
            if (!past) return tl::unexpected(past.error());
            recorder_.load(member, std::move(*past));
            compare(member);
            return {};
          });
    };
    return options;
  }

  /// A run of it is a member from here on.
  void come(Rank member) {
    if (member >= members_.size()) members_.resize(member + 1);
    members_[member] = {};
    recorder_.begin(member, cluster_.run_of(member), cluster_.state(member).view());
    cluster_.turn(member).on_view([this, member](const engine::Installed& installed) {
      recorder_.install(member, installed.view);
    });
  }

  /// Replica equality: same version, same state, whoever has it and whenever.
  void compare(Rank member) {
    if (!scenario_.total || !scenario_.stable) return;
    const Past& past = recorder_.past(member);
    const auto [seen, is_first] = states_.emplace(past.version, past);
    if (!is_first && seen->second != past && outcome_.violations.size() < most_told)
      outcome_.violations.push_back(
          fmt::format("replica equality: at position {} node {} has another state than one before",
                      past.version, member));
  }

  std::int64_t to_send(Rank member) const {
    if (member < scenario_.messages.size())
      return static_cast<std::int64_t>(scenario_.messages[member]);
    return scenario_.options.senders.empty() ? static_cast<std::int64_t>(scenario_.messages[0]) : 0;
  }
  Duration gap(Rank member) const { return scenario_.gaps[member % scenario_.gaps.size()]; }

  bool application(Rank member) {
    Of& of = members_[member];
    if (static_cast<std::int64_t>(recorder_.sent(member)) == to_send(member) ||
        cluster_.now() < of.next_send)
      return false;
    if (out(member) || of.leaving || (scenario_.waits_for_start && !of.formed)) return false;
    // The ends of the range more often than chance would have them.
    const std::uint64_t most = scenario_.most_bytes;
    const std::uint64_t bytes = random_.one_in(8)   ? 0
                                : random_.one_in(8) ? most
                                                    : random_.below(most + 1);
    message_.resize(bytes);
    for (std::byte& byte : message_) byte = static_cast<std::byte>(random_.next());
    if (!cluster_.try_send(member, message_)) return false;
    recorder_.send(member, message_);
    of.next_send = cluster_.now() + gap(member);
    if (of.next_send > cluster_.now())
      cluster_.network().at(of.next_send, [this, member] { cluster_.wake(member); });
    return true;
  }

  /// Crashed, or stopped, or never (again) a member so far.
  bool out(Rank member) const { return !cluster_.is_member(member) || recorder_.ended(member); }
  /// Asks to be let in.
  bool asking(Rank member) const { return cluster_.alive(member) && !cluster_.is_member(member); }

  void deliver(Rank member, const multicast::Delivery& message) {
    // Stability leaves nothing between what a state has and what comes after it.
    const std::uint64_t expected = recorder_.past(member).version;
    const checker::Process sender = recorder_.deliver(member, message);
    if (scenario_.stable && scenario_.total && message.position != expected &&
        outcome_.violations.size() < most_told)
      outcome_.violations.push_back(fmt::format(
          "replica equality: node {} has everything before position {}, and is delivered {} of {}",
          member, expected, message.position, checker::to_text(sender)));
    compare(member);
    ++outcome_.deliveries;
    trouble_.count(outcome_.deliveries);
  }

  void look_at(Rank member) {
    ++turns_;
    if (!cluster_.is_member(member)) return;
    Of& of = members_[member];
    recorder_.look(member, cluster_.state(member));
    const auto phase = cluster_.state(member).phase();
    const bool stopped = phase == engine::Turn::Phase::stopped;
    of.formed |= phase == engine::Turn::Phase::running;
    if (out(member) || (cluster_.alive(member) && !stopped)) return;
    recorder_.end(member);
    // What a member takes for a defect of the library is one.
    if (const auto& failure = cluster_.state(member).failure();
        failure && failure->code == Code::invalid)
      outcome_.violations.push_back(
          fmt::format("defect: member {} stopped: {}", member, failure->text()));
    trouble_.note(cluster_.now());
    // Who stops may be gone at once, or linger as a process that does nothing; not while the first
    // view forms, since the others would wait for it as for one that is slow to start.
    if (stopped && (!of.formed || random_.one_in(2)))
      cluster_.network().at(cluster_.now(), [this, member] { cluster_.crash(member); });
  }

  void crash(Rank victim) {
    cluster_.crash(victim);
    look_at(victim);
  }
  void leave(Rank victim) {
    if (out(victim)) return;
    members_[victim].leaving = true;
    if (cluster_.alive(victim)) cluster_.turn(victim).leave();
  }

  // --- the end

  Time limit() const { return std::max(traffic_end_, trouble_.last()) + scenario_.patience(); }

  /// Those that live are running in the last view, which is theirs alone.
  bool connected_core() {
    Rank live = 0;
    bool wait = false;
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank) {
      live += !out(rank);
      wait |= asking(rank);
    }
    // Where no member is left there is nobody to let one in.
    if (wait && live != 0) return false;
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank) {
      if (out(rank)) continue;
      const auto& turn = cluster_.state(rank);
      if (turn.phase() != engine::Turn::Phase::running || turn.view().size() != live ||
          turn.arriving() || raw(turn.view().id) != recorder_.last_view())
        return false;
    }
    return true;
  }

  /// While traffic goes on, too, the view must settle in time.
  void watch_core() {
    const Time now = cluster_.now(), last = trouble_.last();
    if (now < last || settled_for_ == last) return;
    if (!connected_core() && now <= last + scenario_.patience()) return;
    if (!connected_core()) late();
    settled_for_ = last;
  }

  /// Nothing keeps them busy for ever, such as two that answer each other's answers.
  bool storm() const { return turns_ > most_turns; }

  bool complete() {
    if (storm()) return true;
    watch_core();
    if (trouble_.pending()) return false;
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank) {
      if (out(rank)) continue;
      // Who leaves is gone in the end.
      if (members_[rank].leaving ||
          static_cast<std::int64_t>(recorder_.sent(rank)) != to_send(rank))
        return false;
      for (Rank sender = 0; sender < cluster_.node_count(); ++sender)
        if (!out(sender) && recorder_.delivered(rank, sender) < recorder_.sent(sender))
          return false;
    }
    return connected_core();
  }

  void late() {
    std::string text =
        fmt::format("liveness: at {} us, {} ms after the last fault, not done:",
                    (cluster_.now() - Time{}) / 1us, (cluster_.now() - trouble_.last()) / 1ms);
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank) {
      text += fmt::format("\n    node {}#{}{}: ", rank, raw(cluster_.run_of(rank)),
                          cluster_.alive(rank) ? "" : " (dead)");
      if (const auto& refused = cluster_.refused(rank)) text += "refused: " + refused->text();
      if (asking(rank)) text += "asks to be let in";
      if (!cluster_.is_member(rank)) continue;
      const auto& turn = cluster_.state(rank);
      text += fmt::format("{}view {} of {}, phase {}{}{}, sent {}, delivered",
                          out(rank) ? "out, " : "", raw(turn.view().id), turn.view().size(),
                          static_cast<int>(turn.phase()), turn.isolated() ? ", isolated" : "",
                          turn.arriving() ? ", arriving" : "", recorder_.sent(rank));
      for (Rank sender = 0; sender < cluster_.node_count(); ++sender)
        text += fmt::format(" {}", recorder_.delivered(rank, sender));
      if (turn.failure()) text += ", " + turn.failure()->text();
    }
    outcome_.violations.push_back(std::move(text));
  }

  void check(bool done) {
    // Whoever asks here has every right to be let in.
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank)
      if (const auto& refused = cluster_.refused(rank))
        outcome_.violations.push_back(
            fmt::format("liveness: node {} was refused: {}", rank, refused->text()));
    checker::Guarantees guarantees;
    guarantees.total = scenario_.total;
    guarantees.causal = scenario_.causal;
    // While no view ends nothing is trimmed, so every stack gives what `stable` would. One that was
    // voted for may have ended somewhere, whether or not anybody has lived to begin it.
    guarantees.stable = scenario_.stable || recorder_.last_accepted() == 1;
    guarantees.quiesced = done;
    guarantees.acceptances = true;
    const auto violations = recorder_.trace().check(guarantees);
    for (const auto& violation : violations) outcome_.violations.push_back(violation.text);
  }

  const Scenario& scenario_;
  Random random_;
  Outcome outcome_;
  std::deque<Of> members_;                // by node: of its last run that was a member
  std::map<std::uint64_t, Past> states_;  // the first seen of each version
  Recorder recorder_;
  std::vector<std::byte> message_;
  std::uint64_t turns_ = 0;
  Time settled_for_ = never;  // the view has settled since that end
  Time traffic_end_{};
  simulation::Cluster cluster_;
  Trouble trouble_;
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
