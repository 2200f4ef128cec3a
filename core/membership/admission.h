#pragma once
// Admission, as a member sees it: guests of the rendezvous that ask to join, and what they are
// told. Decides who may ask the coordinator through this member, and nothing else: when they come
// in is the agreement's business (core/membership/agreement.h).
//
// Pure; one thread at a time. Events of the rendezvous and the present view in, words and
// dismissals out. Whatever a guest says is hostile until it is checked.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/admission_wire.h"
#include "core/membership/change.h"

namespace squall::membership {

/// How the present view began, for those who came with it.
struct Entry {
  const Change* change = nullptr;  ///< nullptr: nobody came with this view...
  bool joined = false;             ///< ...or this member did, and does not know who else
  /// By rank, if there are guests to tell; their tickets are not looked at.
  std::vector<Access> members;
};

class Admission {
 public:
  /// How long a guest may take to ask, once it is received, and to go, once it is admitted.
  static constexpr Duration silence = std::chrono::seconds(2);

  /// Whether somebody may join, beyond what the rendezvous checks: authentication goes here.
  using Judge = std::function<Result<>(const fabric::Introduction& who, Bytes credentials)>;

  struct Action {
    enum class Kind : std::uint8_t { say, dismiss };
    Kind kind{};
    fabric::LineId line = 0;
    std::vector<std::byte> bytes;  ///< of say
    Error error;                   ///< of dismiss
  };

  /// `provider`: the group's fabric, which a joiner must offer too. `sign_of_life`: how often who
  /// waits is told so.
  Admission(std::string provider, Duration sign_of_life, Judge judge = {});

  // --- in

  void guest(fabric::LineId line, fabric::Introduction who, Time now);
  bool has_guests() const { return !guests_.empty(); }
  /// A guest that has not asked for anything yet.
  bool expects(fabric::LineId line) const {
    const auto at = guests_.find(line);
    return at != guests_.end() && !at->second.asks;
  }
  void said(fabric::LineId line, Bytes bytes, Time now);
  void ended(fabric::LineId line);
  /// Nobody is admitted from here on, and who asks is told why; nullopt: everybody again.
  void close(std::optional<Error> why) { closed_ = std::move(why); }
  /// Looks at everybody who waits. Call it after the above, when the view has changed and at
  /// `deadline`.
  void step(const View& view, const Entry& entry, Time now);

  // --- out

  /// Who asks through this member and may come in, as of the last step.
  const std::vector<Joiner>& waiting() const { return waiting_; }
  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  Time deadline() const;
  /// Guests that were refused, for garbled words too; for people.
  std::uint64_t refused() const { return refused_; }

 private:
  struct Guest {
    fabric::Introduction who;
    std::optional<Joiner> asks;
    Time since{};          // received, or told that it is admitted
    Time tell_at = never;  // the next sign of life
    bool told = false;     // that it is admitted
  };

  /// What a guest waits for, or nullopt: for nothing but the coordinator. An error: it is refused.
  Result<std::optional<std::string>> judge(const Guest& guest, const View& view,
                                           const Entry& entry) const;
  void say(fabric::LineId line, const Word& word);
  void admit(fabric::LineId line, Guest& guest, const View& view, const Entry& entry, Time now);
  void dismiss(fabric::LineId line, Error why);
  std::map<fabric::LineId, Guest>::iterator refuse(std::map<fabric::LineId, Guest>::iterator guest,
                                                   Error why);

  std::string provider_;
  Duration sign_of_life_;
  Judge judge_;
  std::optional<Error> closed_;
  std::map<fabric::LineId, Guest> guests_;
  std::vector<Joiner> waiting_;
  std::vector<Action> actions_;
  std::uint64_t refused_ = 0;
};

}  // namespace squall::membership
