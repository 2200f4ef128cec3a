#pragma once
// Runs one scenario with a replicated object: the library's own replicas in virtual time, clients
// at the members that call them, and what goes wrong. Then judges what the clients saw and what the
// replicas did:
//
//   linearizability      of all updates and linearizable reads, as clients began and ended them
//                        (test/checker/linearizability.h)
//   replica equality     whoever executes the n-th update executes the same one, and has the same
//                        state after it, also with a state that it got when it joined
//   replies              all replicas agree on them, and there is one of each member of the view in
//                        which the update was executed
//   effects              what is said to have had no effect was executed nowhere, what is said to
//                        have had one was executed; nothing is executed twice
//   local reads          see the state of one moment of the order, and never an earlier one than
//                        before, nor than an own update that has returned
//   clients              that are no members: see visitors.h
//   liveness             as in run.h, and every call of who is still there comes to an end

#include <cstdint>

#include "test/simulation/run.h"
#include "test/simulation/scenario.h"

namespace squall::scenarios {

/// Made on purpose, to see it found.
enum class Slip : std::uint8_t {
  none,
  reads_here,    ///< linearizable reads are answered from what is here
  early_answer,  ///< updates are taken for done when they are sent
  lost_update,   ///< every replica forgets some additions
  one_forgets,   ///< one replica of all forgets one
  thin_state,    ///< the state that joiners get lacks something
  says_again,    ///< clients that are no members begin anew what they are not answered
};

/// As `draw_objects`; and one to three clients that are no members call it too (visitors.h).
Scenario draw_clients(std::uint64_t seed);

/// `Outcome::deliveries` are the executions of updates; of `events` there are none.
Outcome run_objects(const Scenario& scenario, Slip slip = Slip::none);

}  // namespace squall::scenarios
