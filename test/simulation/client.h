#pragma once
// The application of one run of a simulated member: a few clients that call its replica, one call
// each at a time, and the judge of what each call says by itself. What all clients together saw is
// in the history.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "groups/object/object.h"
#include "test/checker/linearizability.h"
#include "test/simulation/cells.h"

namespace squall::scenarios {

/// What all applications of a run share.
struct Shared {
  Random random;
  Witness witness;
  checker::Operations history;
  std::uint32_t clients = 0;  ///< so far
  /// Of calls that failed, with what that said of them.
  std::vector<std::uint64_t> said_no, said_yes;
  std::map<std::uint64_t, std::uint64_t> numbers;  ///< of updates, by version
  std::vector<std::string> violations;

  void complain(std::string text);
};

class Application {
 public:
  /// `calls`: how many all its clients make, one each `gap` or slower.
  Application(Shared& shared, Node& node, Rank number, std::size_t calls, Duration gap);

  /// Before a turn; true if a call was begun. `time` is everybody's.
  bool begin(Time time);
  /// After a turn.
  void look();
  Time next_call() const { return next_; }

  /// Every call that it made has come to its end, but for those not yet begun.
  bool quiet() const;
  bool wants_more() const { return left_ != 0; }
  /// What its replica has executed; nullopt: it is not ready.
  std::optional<std::uint64_t> executed() const;
  std::string text() const;

 private:
  struct Client {
    std::uint32_t name = 0;
    std::uint64_t calls = 0;
    // The call under way.
    checker::Operation::Kind kind{};
    std::uint32_t cell = 0;
    std::uint64_t update = 0;    // its id
    std::size_t operation = 0;   // in the history
    bool waits_for_all = false;  // or for its own replica only
    std::string asks;            // another member; not in the history
    std::optional<Future<Made>> updating{};
    std::optional<ReadFuture<Made>> reading{};

    bool busy() const { return updating || reading; }
  };
  struct Awaited {
    Client of;
    Made own;
  };

  void call(Client& client);
  void begin_update(Client& client);
  void begin_read(Client& client);
  void read_here(Client& client);
  bool ask(Client& client);
  void end_update(Client& client, const CallError& error);
  bool look_at(Client& client);
  void own_is_here(Client& client, const Made& made);
  bool all_are_here(const Client& client, const Made& own);
  void end_read(Client& client);
  void check_state(const char* what, const Made& made, std::uint32_t cell);

  Shared& shared_;
  Node& node_;
  const Rank number_;  // of the node
  Object<Cells> cells_;
  std::vector<Client> clients_;
  std::size_t left_;
  const Duration gap_;
  Time next_{};
  std::optional<std::uint64_t> version_;  // when it was last looked at
  std::deque<Awaited> awaited_;           // updates that some replies are still to come of
  std::uint64_t seen_ = 0;                // by local reads
  std::uint64_t own_ = 0;                 // the last own update that has returned
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> seen_at_;  // client, member
  /// With the first version that may be of it.
  std::vector<std::pair<std::uint64_t, std::shared_ptr<const View>>> views_;
};

}  // namespace squall::scenarios
