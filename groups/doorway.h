#pragma once
// How others come into a node's group: guests of its rendezvous, what core/membership/admission
// thinks of them, and the turn that asks the coordinator for them. Private to groups/; used where
// the node turns.

#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/engine/turn.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/admission.h"

namespace squall {

class Doorway {
 public:
  /// `mine`: how this member is reached. Both references outlive it.
  Doorway(fabric::Rendezvous& rendezvous, engine::Turn& turn, const fabric::Fabric& fabric,
          std::string host, Duration sign_of_life);

  /// False if the event is of a member.
  bool handle(fabric::Rendezvous::Event& event, Time now);
  /// After all events of a turn, and at `deadline`.
  void step(Time now);
  Time deadline() const { return admission_.deadline(); }
  void close(Error why) { closed_ = std::move(why); }

 private:
  membership::Entry entry() const;
  void dismiss(const membership::Admission::Action& action);

  fabric::Rendezvous& rendezvous_;
  engine::Turn& turn_;
  membership::Access mine_;
  membership::Admission admission_;
  std::optional<Error> closed_;
};

}  // namespace squall
