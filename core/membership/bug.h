#pragma once
// Deliberate mistakes, for tests only: each is one of those that protocols of this kind really had,
// and each must be found by the property test of the part it breaks. What runs for users never sets
// anything but `none`.

#include <cstdint>

namespace squall::membership {

enum class Bug : std::uint8_t {
  none,
  skip_majority,    ///< a coordinator needs the members it does not suspect, and nobody else
  trim_by_maximum,  ///< the trim is what any survivor holds, not what all of them hold
  forget_accepted,  ///< a coordinator always proposes its own, whatever was accepted before
  accept_below,     ///< a member accepts a ballot lower than the one it promised
  same_ballot,      ///< two coordinators may use one ballot

  // Of core/engine, which carries what the agreement says.
  freeze_late,        ///< a member promises what it holds, and goes on receiving until the decision
  ignore_trim,        ///< a survivor delivers all that it holds, not what all hold
  install_early,      ///< a member installs the next view before it has delivered up to the trim
  lose_trimmed,       ///< a live sender does not send again what was trimmed
  forget_leaver,      ///< the trim does not ask those that leave, though they deliver up to it
  restart_positions,  ///< positions begin again with every view
  save_late,       ///< a joiner gets the state of when it asks for it, not of when its view began
  deliver_early,   ///< a joiner is delivered messages before it has the state
  joiner_at_zero,  ///< a joiner counts positions and messages from 0, not from where the group is
};

}  // namespace squall::membership
