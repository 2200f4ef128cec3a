#include "test/simulation/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/turn.h"
#include "groups/simulation/nodes.h"
#include "test/checker/linearizability.h"
#include "test/simulation/cells.h"
#include "test/simulation/client.h"
#include "test/simulation/trouble.h"
#include "test/simulation/visitors.h"

namespace squall::scenarios {
namespace {

using simulation::Cluster;

// A hundred times what the busiest takes.
constexpr std::uint64_t most_turns = 20'000'000;

class ObjectRun {
 public:
  ObjectRun(const Scenario& scenario, Slip slip)
      : scenario_(scenario),
        shared_{Random(scenario.seed), Witness(slip), {}, 0, {}, {}, {}, {}},
        nodes_(scenario.options),
        cluster_(nodes_.cluster()),
        trouble_(scenario.faults, cluster_,
                 {[this](Rank victim) { crash(victim); }, [this](Rank victim) { leave(victim); }}) {
    Cells::witness = &shared_.witness;
    Cells::padding = scenario.padding;
  }
  ~ObjectRun() {
    Cells::witness = nullptr;
    Cells::padding = 0;
  }

  Outcome go() {
    if (scenario_.visitors != 0)
      visitors_ = std::make_unique<Visitors>(scenario_, shared_, nodes_, [this] { return calm(); });
    nodes_.on_node([this](Rank member, Node& node) { come(member, node); });
    nodes_.set_application([this](Rank member) { return before_turn(member); });
    nodes_.set_after_turn([this](Rank member) { look_at(member); });
    trouble_.begin();
    if (visitors_) visitors_->begin();
    // What happens on the way may move the limit.
    bool done = false;
    for (Time until = limit(); !done && cluster_.now() < until; until = limit())
      done = cluster_.run_until([this] { return complete(); }, until);
    if (done && visitors_)
      done = cluster_.run_until([this] { return complete() && visited(); },
                                cluster_.now() + visitors_->patience());
    if (turns_ > most_turns)
      shared_.complain(
          fmt::format("liveness: {} turns in {} ms", turns_, (cluster_.now() - Time{}) / 1ms));
    if (!done && shared_.violations.empty()) late();
    return judge();
  }

 private:
  struct Of {  // a run of a member
    std::unique_ptr<Application> application{};
    bool formed = false, leaving = false, ended = false;
  };

  void come(Rank member, Node& node) {
    if (member >= members_.size()) members_.resize(member + 1);
    const std::size_t calls = scenario_.messages[member % scenario_.messages.size()];
    const Duration gap = scenario_.gaps[member % scenario_.gaps.size()];
    members_[member] = {};
    members_[member].application = std::make_unique<Application>(shared_, node, member, calls, gap);
    if (visitors_) visitors_->came(member);
    // Whatever a call takes.
    traffic_end_ =
        std::max(traffic_end_, cluster_.now() + 50ms + gap * static_cast<Duration::rep>(calls));
  }

  bool out(Rank member) const { return !cluster_.is_member(member) || members_[member].ended; }
  bool asking(Rank member) const { return cluster_.alive(member) && !cluster_.is_member(member); }
  bool calm() const { return cluster_.now() >= std::max(traffic_end_, trouble_.last()); }

  bool before_turn(Rank member) {
    shared_.witness.set_node(member);
    Of& of = members_[member];
    if (of.ended || of.leaving || calm() || (scenario_.waits_for_start && !of.formed)) return false;
    if (!of.application->begin(cluster_.now())) return false;
    const Time next = of.application->next_call();
    if (next > cluster_.now())
      cluster_.network().at(next, [this, member] { cluster_.wake(member); });
    return true;
  }

  void look_at(Rank member) {
    ++turns_;
    for (; told_ < shared_.witness.executions(); trouble_.count(++told_)) {
    }
    if (!cluster_.is_member(member)) return;
    Of& of = members_[member];
    if (of.ended) return;
    const engine::Turn& turn = cluster_.state(member);
    const bool stopped = turn.phase() == engine::Turn::Phase::stopped;
    of.formed |= turn.phase() == engine::Turn::Phase::running;
    last_view_ = std::max(last_view_, raw(turn.view().id));
    if (cluster_.alive(member)) of.application->look();
    if (cluster_.alive(member) && visitors_) visitors_->turned(member, of.leaving);
    if (cluster_.alive(member) && !stopped) return;
    of.ended = true;
    if (const auto& failure = turn.failure(); failure && failure->code == Code::invalid)
      shared_.complain(fmt::format("defect: member {} stopped: {}", member, failure->text()));
    if (stopped && cluster_.alive(member) && !of.application->quiet())
      shared_.complain(
          fmt::format("liveness: node {} has stopped, and {}", member, of.application->text()));
    trouble_.note(cluster_.now());
    // As in run.cc.
    if (stopped && (!of.formed || shared_.random.one_in(2)))
      cluster_.network().at(cluster_.now(), [this, member] { cluster_.crash(member); });
  }

  void crash(Rank victim) {
    cluster_.crash(victim);
    if (cluster_.is_member(victim)) look_at(victim);
  }
  void leave(Rank victim) {
    if (out(victim)) return;
    members_[victim].leaving = true;
    if (cluster_.alive(victim)) cluster_.turn(victim).leave();
  }

  // --- the end

  Time limit() const { return std::max(traffic_end_, trouble_.last()) + scenario_.patience(); }

  bool complete() {
    if (turns_ > most_turns) return true;
    if (trouble_.pending()) return false;
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
      const Of& of = members_[rank];
      const auto& turn = cluster_.state(rank);
      if (of.leaving || !of.application->quiet() || (of.application->wants_more() && !calm()) ||
          of.application->executed() != shared_.witness.last() ||
          turn.phase() != engine::Turn::Phase::running || turn.view().size() != live ||
          turn.arriving() || raw(turn.view().id) != last_view_)
        return false;
    }
    return true;
  }

  /// Clients that are no members have their answers, if anybody is left to give them.
  bool visited() const {
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank)
      if (!out(rank) && visitors_->know(rank)) return visitors_->quiet();
    return true;
  }

  void late() {
    std::string text =
        fmt::format("liveness: at {} us, {} ms after the last fault, not done:",
                    (cluster_.now() - Time{}) / 1us, (cluster_.now() - trouble_.last()) / 1ms);
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank) {
      text += fmt::format("\n    node {}#{}{}: ", rank, raw(cluster_.run_of(rank)),
                          cluster_.alive(rank) ? "" : " (dead)");
      if (asking(rank)) text += "asks to be let in";
      if (!cluster_.is_member(rank)) continue;
      const auto& turn = cluster_.state(rank);
      text += fmt::format("{}view {} of {}, phase {}{}{}, ", out(rank) ? "out, " : "",
                          raw(turn.view().id), turn.view().size(), static_cast<int>(turn.phase()),
                          turn.isolated() ? ", isolated" : "", turn.arriving() ? ", arriving" : "");
      if (!out(rank)) text += members_[rank].application->text();
      if (turn.failure()) text += ", " + turn.failure()->text();
    }
    if (visitors_) text += visitors_->text();
    shared_.complain(text + fmt::format("\n    of {} updates", shared_.witness.last()));
  }

  Outcome judge() {
    for (Rank rank = 0; rank < cluster_.node_count(); ++rank)
      if (const auto& refused = cluster_.refused(rank))
        shared_.complain(fmt::format("liveness: node {} was refused: {}", rank, refused->text()));
    for (const std::uint64_t call : shared_.said_no)
      if (shared_.witness.knows(call))
        shared_.complain(fmt::format("effects: call {:x} was said to have none", call));
    for (const std::uint64_t call : shared_.said_yes)
      if (!shared_.witness.knows(call))
        shared_.complain(fmt::format("effects: call {:x} was said to have one", call));
    Outcome outcome;
    outcome.operations = shared_.history.all();
    outcome.violations = shared_.witness.violations();
    for (const auto* more : {&shared_.violations})
      outcome.violations.insert(outcome.violations.end(), more->begin(), more->end());
    for (std::string& each : checker::check_linearizability(outcome.operations))
      outcome.violations.push_back(std::move(each));
    outcome.trace_hash = cluster_.network().trace_hash();
    outcome.took = cluster_.now() - Time{};
    outcome.deliveries = shared_.witness.executions();
    return outcome;
  }

  const Scenario& scenario_;
  Shared shared_;
  std::vector<Of> members_;  // by node: of its last run that was a member
  std::uint64_t turns_ = 0;
  std::uint64_t last_view_ = 0;
  std::size_t told_ = 0;  // executions
  Time traffic_end_{};
  std::unique_ptr<Visitors> visitors_;  // replicas know its desks
  simulation::Nodes nodes_;
  Cluster& cluster_;
  Trouble trouble_;
};

}  // namespace

Outcome run_objects(const Scenario& scenario, Slip slip) {
  return ObjectRun(scenario, slip).go();
}

}  // namespace squall::scenarios
