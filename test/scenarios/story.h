#pragma once
// A group that does what a scenario's commands say, in simulation, and tells what came of it. All
// that it did is checked against what its stack promises, whatever the scenario expects.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "groups/simulation/cluster.h"
#include "test/scenarios/journal.h"
#include "test/simulation/recorder.h"

namespace squall::scenarios {

class Story {
 public:
  /// Does it; what happened meanwhile and what was asked for, as lines. README.md has the commands.
  std::string run(std::string_view command);
  /// What the checker says of all of it.
  std::vector<std::string> violations() const;

 private:
  using Words = std::vector<std::string>;
  struct Of {  // of a member
    std::deque<std::string> outbox;
    Duration gap{0};
    Time next_send{};
    std::vector<std::string> delivered;
    bool replies = false;
    bool isolated = false;
    bool gone = false;
    bool arriving = false;
  };

  // Commands; `words` without the first. See story_commands.cc.
  Result<> group(const Words& words);
  Result<> start(const Words& words);
  Result<> run_for(const Words& words);
  Result<> send(const Words& words);
  Result<> join(const Words& words);
  Result<> restart(const Words& words);
  Result<> reply(const Words& words);
  Result<> leave(const Words& words);
  Result<> crash(const Words& words);
  Result<> cut(const Words& words);
  Result<> heal(const Words& words);
  Result<> partition(const Words& words);
  Result<> stall(const Words& words);
  Result<> slow(const Words& words);
  Result<> delay(const Words& words);
  Result<> clock(const Words& words);
  Result<> views(const Words& words);
  Result<> delivered(const Words& words);
  Result<> status(const Words& words);

  Result<Rank> member(std::string_view name) const;
  void build(simulation::Options options);
  void come(Rank member);
  void told_view(const engine::Installed& installed, Rank member);
  std::string text_of(const View& view) const;
  /// "b", and "b#2" of a later run of it.
  static std::string name_of(const checker::Process& process);
  std::string name_of(Rank member) const;
  engine::StateHooks state_of(Rank member);
  Time now() const { return cluster_->now(); }

  // What the members do.
  bool application(Rank member);
  bool try_send(Rank member, const std::string& text);
  void deliver(Rank member, const multicast::Delivery& message);
  void look(Rank member);
  bool quiet() const;
  void tell_waiting();
  void set_cut(Rank from, Rank to, bool cut);

  std::string stack_;
  std::unique_ptr<Recorder> recorder_;
  std::size_t padding_ = 0;  // of the state
  std::deque<Of> members_;   // by node; of its run of now
  std::unique_ptr<simulation::Cluster> cluster_;
  Journal journal_;
  bool quiet_ = false;  ///< the last command ended in quiet
};

}  // namespace squall::scenarios
