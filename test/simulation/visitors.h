#pragma once
// Clients that are no members call the object: the library's own client and the members' desks, as
// state machines (groups/client), and lines between them whose words take a while. A line ends with
// either process, and sometimes by itself; a member that stalls says nothing. A client with updates
// under way then goes to another member, and whatever it says again there is executed once.
//
// What a call saw goes into the history of the run, as that of members' own clients does; besides,
// reads never go back, and one client's updates are executed in the order in which they began.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "groups/client/caller.h"
#include "groups/client/desk.h"
#include "groups/simulation/nodes.h"
#include "test/simulation/client.h"
#include "test/simulation/scenario.h"

namespace squall::scenarios {

class Visitors {
 public:
  /// `calm`: no more calls begin, and no line ends by itself. It goes after `nodes`, whose replicas
  /// know its desks, and does not touch those then.
  Visitors(const Scenario& scenario, Shared& shared, simulation::Nodes& nodes,
           std::function<bool()> calm);

  /// They come, and go on by themselves.
  void begin() { step(); }
  /// This member's run has come; after the node's own callback.
  void came(Rank member);
  /// After a turn of it. `leaving`: it serves nobody any more.
  void turned(Rank member, bool leaving);

  /// Every call that was begun has come to its end.
  bool quiet() const;
  /// How long that may take once one of their contacts serves for good.
  Duration patience() const;
  /// They know how to reach it.
  bool know(Rank member) const { return member < contacts_; }
  std::string text() const;

 private:
  using What = clients::Caller::What;

  struct Call {
    What what{};
    checker::Operation::Kind kind{};
    std::uint32_t cell = 0;
    std::int64_t value = 0, expected = 0;
    std::uint64_t update = 0;   // its id
    std::size_t operation = 0;  // in the history, but for plain reads
    std::uint64_t seen = 0;     // of plain reads: by calls that had ended
    bool again = false;         // a mistake (Slip::says_again); nobody waits for it
  };
  struct Visitor {
    std::uint32_t name;
    std::unique_ptr<clients::Caller> caller;
    clients::TargetId target;
    std::size_t left;
    std::uint64_t updates = 0;
    Time next{};
    std::uint64_t seen = 0;
    std::map<clients::CallNumber, Call> calls{};
    std::map<std::uint64_t, std::uint64_t> numbers{};  // of updates that have returned, by id
  };
  struct Word {
    Time due{};
    std::vector<std::byte> bytes;
    std::optional<Error> end;  // the line is over
  };
  struct Line {
    std::size_t visitor = 0;
    Rank member = 0;
    Incarnation run{};
    bool arrived = false;
    bool here = true, there = false;  // who has it: the visitor, the member
    bool broken = false;              // nothing more gets on it
    std::deque<Word> out, back;       // to the member, to the visitor
  };
  using Lines = std::map<fabric::LineId, Line>;

  void step();
  void call(Visitor& visitor);
  void start(Visitor& visitor, const Call& call);
  void act(std::size_t at);
  void take(Visitor& visitor, clients::Caller::Done& done);
  void take_update(Visitor& visitor, const Call& call, const Made& made);
  void complain(const Visitor& visitor, const std::string& text);

  void arrive(Line& line);
  void carry(fabric::LineId id, Line& line);
  void break_one();
  void ended(Line& line, fabric::LineId id, const Error& why);
  void put(std::deque<Word>& way, std::vector<std::byte> bytes, std::optional<Error> end = {});
  bool serves(Rank member) const;

  Shared& shared_;
  simulation::Nodes& nodes_;
  simulation::Cluster& cluster_;
  const std::function<bool()> calm_;
  Random random_;
  Rank contacts_;
  Duration gap_, latency_, silence_;
  std::uint64_t breaks_ = 0;  // a line ends by itself, once in so many steps; 0: never
  std::vector<Visitor> visitors_;
  Lines lines_;
  fabric::LineId last_line_ = 0;
  std::map<Rank, std::unique_ptr<clients::Desk>> desks_;
  std::vector<std::unique_ptr<clients::Desk>>
      former_;  // replicas that are gone may still know them
};

}  // namespace squall::scenarios
