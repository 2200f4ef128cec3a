#pragma once
// Admission, as a process that wants to join sees it: which contact to ask, when to ask another,
// and when to give up. Pure; one thread at a time.
//
// It asks one contact at a time, the next when one does not answer, and begins anew when all were
// asked, with growing pauses. Its identity stays the same, so that any member may tell it that it
// is admitted, also when the one that it asked first has died meanwhile.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/admission_wire.h"

namespace squall::membership {

class Joining {
 public:
  struct Action {
    enum class Kind : std::uint8_t { visit, say, dismiss };
    Kind kind{};
    Rank contact = 0;              ///< of visit; answer it with `visiting`
    fabric::LineId line = 0;       ///< of say and dismiss
    std::vector<std::byte> bytes;  ///< of say
  };

  static constexpr Duration first_pause = std::chrono::milliseconds(10);
  static constexpr Duration last_pause = std::chrono::milliseconds(500);

  /// `contacts`: by rank in the roster, with their names for people; `self`: among them, if it is.
  /// `patience`: how long a contact may be silent until the next one is asked.
  Joining(std::vector<std::string> contacts, std::optional<Rank> self, Member me, Word request,
          Duration patience, Rank first);

  // --- in

  void visiting(fabric::LineId line) { line_ = line; }
  void welcomed(fabric::LineId line, Time now);
  void said(fabric::LineId line, Bytes bytes, Time now);
  void ended(fabric::LineId line, Error error, Time now);
  void step(Time now);

  // --- out

  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  Time deadline() const;
  /// Admitted: into this view. Ends it.
  const std::optional<Word>& admitted() const { return admitted_; }
  /// Refused for good: no contact will say otherwise. Code::closed: ask anew as another run.
  const std::optional<Error>& refused() const { return refused_; }
  /// Every contact was asked, and said that there is no group there (or nobody listens there).
  bool nobody_has_a_group() const;
  /// What was last heard of each contact, for people.
  std::string heard() const;

 private:
  struct Contact {
    std::string name;
    bool no_group = false;  // its answer, if it was not asked again since
    std::string heard = "not asked yet";
  };

  /// There is nobody to ask.
  bool alone() const { return contacts_.size() == 1 && self_; }
  bool admits_me(const View& view) const;
  void leave(std::string why, Time now);

  std::vector<Contact> contacts_;
  std::optional<Rank> self_;
  Member me_;
  Word request_;
  Duration patience_;

  Rank current_ = 0;  // whom to ask next, or who is being asked
  Rank asked_ = 0;    // in this round
  fabric::LineId line_ = 0;
  bool visiting_ = false;
  Time until_ = never;  // patience with the current one
  Time ask_at_{};
  Duration pause_ = first_pause;
  std::vector<Action> actions_;
  std::optional<Word> admitted_;
  std::optional<Error> refused_;
};

}  // namespace squall::membership
