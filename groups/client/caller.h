#pragma once
// A client, as a state machine: which member to go to, what to ask it, what to say again to the
// next one, and when to give up. Pure: lines, words and time in; visits, words, answers and the
// next deadline out. One thread at a time.
//
// A target is a shard of an object. It is served by one contact at a time, tried in the order of
// the configuration, or in that which a member names who does not have the shard; all targets at
// one contact share a line. When the line ends, or the member serves the target no longer, the next
// one is asked: updates that were not answered are said again in order under their old numbers,
// reads are asked again. Target 0 is the member itself: whoever serves clients at all.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "groups/client/wire.h"

namespace squall::clients {

/// The caller's own number of a call; never reused.
using CallNumber = std::uint64_t;

class Caller {
 public:
  static constexpr Duration first_pause = std::chrono::milliseconds(10);
  static constexpr Duration last_pause = std::chrono::milliseconds(500);

  struct Options {
    std::vector<std::string> contacts;  ///< names, by rank in the roster
    Rank first = 0;                     ///< whom to ask first
    Duration patience{};                ///< how long a contact may be silent
    Duration give_up{};                 ///< how long a call may be without a member that serves it
    std::uint64_t seed = 0;             ///< of secrets: another one in each run
  };
  enum class What : std::uint8_t { update, read, read_in_order };

  struct Action {
    enum class Kind : std::uint8_t { visit, say, dismiss };
    Kind kind{};
    Rank contact = 0;              ///< of visit; answer it with `visiting`
    fabric::LineId line = 0;       ///< of say and dismiss
    std::vector<std::byte> bytes;  ///< of say
    std::string why;               ///< of dismiss
  };
  /// What a call has come to.
  struct Done {
    CallNumber call = 0;
    std::uint64_t version = 0;  ///< of an update
    bool failed = false;        ///< then the bytes are an encoded error
    Effect effect = Effect::no;
    std::vector<std::byte> bytes;
  };
  struct Notice {
    TargetId target = 0;
    bool gap = false;  ///< no notice: some may be missing here
    std::vector<std::byte> bytes;
  };

  Caller(Options options, Time now);

  // --- what the application wants

  /// The same one again gets the same number.
  TargetId open(const Opening& opening, Time now);
  void listen(TargetId target);
  CallNumber begin(TargetId target, What what, std::uint64_t method,
                   std::vector<std::byte> arguments, Time now);
  /// Calls that have come to nothing yet, and their bytes.
  std::size_t calls() const { return calls_; }
  std::size_t call_bytes() const { return call_bytes_; }

  // --- what happened; call `step` after it, and at `deadline`

  void visiting(Rank contact, fabric::LineId line);
  void welcomed(fabric::LineId line, Time now);
  void said(fabric::LineId line, Bytes word, Time now);
  void ended(fabric::LineId line, const Error& error, Time now);
  void step(Time now);

  // --- what follows

  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  std::vector<Done> take_done() { return std::exchange(done_, {}); }
  std::vector<Notice> take_notices() { return std::exchange(notices_, {}); }
  Time deadline() const { return deadline_; }
  /// The contact that serves that target.
  std::optional<Rank> server(TargetId target) const;
  /// Why nobody serves it, once that was so for `give_up`, or will not change; until somebody does.
  const std::optional<Error>& failure(TargetId target) const { return targets_[target].failure; }

 private:
  enum class Stage : std::uint8_t { none, calling, greeting, up };
  struct Contact {
    std::string name;
    Stage stage = Stage::none;
    fabric::LineId line = 0;
    Stream in{most_reply_bytes + 4096};
    std::vector<std::byte> out{};
    Time heard{}, pinged{};
    std::uint64_t received = 0, told = 0;
    std::size_t unanswered = 0, unanswered_bytes = 0;
  };
  struct Request {
    CallNumber call = 0;
    What what{};
    std::uint64_t method = 0;
    std::vector<std::byte> arguments;
    Time begun{};
    std::uint64_t sequence = 0;  // of an update that was ever said; else 0
    bool said = false;           // to the present server
  };
  enum class Place : std::uint8_t { waiting, opening, open };
  struct Target {
    Opening opening;
    Place place = Place::waiting;
    Rank contact = 0;  // who serves it, or is asked next
    Time ask_at{};
    std::size_t tried = 0;  // since it was served, or the last pause
    bool hopeful = false;   // one of them may serve it later
    std::optional<Error> hopeless;
    Duration pause = first_pause;
    std::vector<Rank> hints;         // who has it, to be asked next
    std::vector<std::string> heard;  // of each contact
    Time unserved_since{};
    std::optional<Error> failure;
    bool listens = false, listened = false;

    enum class Session : std::uint8_t { none, asked, there };
    Session session = Session::none;
    std::uint64_t session_id = 0, secret = 0;
    std::uint64_t last_sequence = 0;
    std::uint64_t seen = 0;       // the latest version, plus 1
    std::deque<Request> updates;  // in order; none of them answered
    std::map<CallNumber, Request> reads;
  };

  Contact* contact_of(fabric::LineId line);
  void take(Rank from, const RecordView& record, Time now);
  void take_reply(Target& target, Contact& contact, const RecordView& record);
  void take_answer(Target& target, Contact& contact, const RecordView& record);
  void take_away(Target& target, const RecordView& record, Time now);

  static void say_open(TargetId id, const Target& target, Contact& contact);
  void look_for_server(TargetId id, Target& target, Time now);
  void leave(Target& target, std::string why, Code code, Time now);
  void next_contact(Target& target, Time now);
  void end_line(Rank contact, const Error& why, Time now);
  void dismiss(Rank contact, const std::string& why, Time now);
  void fill(TargetId id, Target& target);
  bool has_room(const Contact& contact, const Request& request) const;
  void say(Contact& contact, Request& request, RecordHeader header, Bytes before);
  void unsay(Contact& contact, Request& request);
  void unsay_all(Target& target);
  void give_up(Target& target, Time now);
  void abandon_session(Target& target, const Error& error);
  void finish(const Request& request, const RecordHeader& header, Bytes bytes);
  void fail(const Request& request, const Error& error, Effect effect);
  Error nobody(const Target& target) const;
  void keep_lines(Time now);
  void note(Time time) { deadline_ = std::min(deadline_, time); }

  Options options_;
  Random random_;
  std::vector<Contact> contacts_;
  std::deque<Target> targets_;
  CallNumber next_call_ = 1;
  std::size_t calls_ = 0, call_bytes_ = 0;
  std::vector<Action> actions_;
  std::vector<Done> done_;
  std::vector<Notice> notices_;
  Time stepped_{};
  Time deadline_ = never;
};

}  // namespace squall::clients
