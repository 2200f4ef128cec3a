#pragma once
// How others come to a node: guests of its rendezvous. Those who want into its group are the
// business of core/membership/admission and of the turn that asks the coordinator for them; clients
// that of the desk (groups/client/desk.h). Private to groups/; used where the node turns.

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/engine/turn.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/admission.h"
#include "core/membership/timing.h"
#include "groups/client/desk.h"

namespace squall {

class Doorway {
 public:
  /// `mine`: how this member is reached. Both references outlive it.
  Doorway(fabric::Rendezvous& rendezvous, engine::Turn& turn, const fabric::Fabric& fabric,
          std::string host, const membership::Timing& timing, clients::Desk::Find find);

  /// False if the event is of a member.
  bool handle(fabric::Rendezvous::Event& event, Time now);
  /// After all events of a turn, and at `deadline`.
  void step(Time now);
  Time deadline() const { return std::min({admission_.deadline(), desk_.deadline(), look_at_}); }
  /// After every turn: clients are told what came of it. True if there was anything to do.
  bool turned() { return desk_.due() && turn_desk(Monotonic::now()); }
  /// Clients are told of what is under way before they are told this.
  void close(Error why) { closed_ = std::move(why); }

 private:
  membership::Entry entry() const;
  void dismiss(fabric::LineId line, const Error& why);
  bool turn_desk(Time now);
  std::optional<Error> why_no_clients(Time now);

  fabric::Rendezvous& rendezvous_;
  engine::Turn& turn_;
  membership::Access mine_;
  membership::Admission admission_;
  clients::Desk desk_;
  std::optional<Error> closed_;
  const Duration patience_;  // without a majority
  Time alone_at_ = never;    // then the others may have gone on
  Time look_at_ = never;     // whether it still is, then; once
};

}  // namespace squall
