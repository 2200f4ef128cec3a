#pragma once
// The rendezvous as a state machine: connections, bytes and time in; bytes, calls, hang-ups and
// events out. Pure: no socket, no clock; randomness is handed in. A transport (TCP in
// providers/rendezvous, a model in simulation) feeds it and carries out its actions in order.
//
// Connections ("lines") are numbered here and never reused. The member with the higher rank
// calls, and calls again with growing pauses until it is introduced or refused. Guests and visits
// (meeting_guests.cc) come beside that, and end whenever either side wants.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::fabric {

/// How a node goes about meeting others.
struct Manners {
  /// It waits for and calls the whole roster, to form the first view together. Otherwise nobody is
  /// introduced: it only receives guests and makes visits, and need not be in the roster itself.
  bool gathers = true;
  Layout layout;  ///< what guests must share
};

class Meeting {
 public:
  struct Action {
    enum class Kind : std::uint8_t {
      call,    ///< connect to the member of `rank`; then say `connected` or `ended`
      send,    ///< `bytes`
      finish,  ///< end it once everything has been sent and had a chance to be read
      drop,    ///< end it now
    };
    Kind kind{};
    LineId line = 0;
    Rank rank = 0;
    std::vector<std::byte> bytes;
  };

  /// Code::invalid if the roster names anyone twice, or does not name `self` and should.
  static Result<Meeting> create(Roster roster, Introduction self, std::function<Nonce()> nonces,
                                Manners manners = {});

  // --- what happened; `now` never goes back

  /// Somebody called. `from` is for people.
  LineId accepted(Time now, std::string from);
  /// A line that `call` asked for stands.
  void connected(LineId line, Time now);
  void received(LineId line, Bytes bytes, Time now);
  /// The line ended without our doing, or could not be made. Unknown lines are ignored.
  /// `nobody`: surely no process is there.
  void ended(LineId line, Time now, std::string reason, bool nobody = false);
  /// Whatever is due: calls, lines that took too long.
  void tick(Time now);
  /// See Rendezvous.
  LineId visit(Rank rank, Time now);
  void say(LineId line, Bytes bytes);
  void dismiss(LineId line, const Error& why);
  void renew(Incarnation incarnation) { self_.incarnation = incarnation; }
  void leave(std::string_view text);

  // --- what follows

  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  std::vector<Rendezvous::Event> take_events() { return std::exchange(events_, {}); }
  Time deadline() const;
  std::string missing() const;
  /// An introduced member's: a transport reads these first, so that an end is known before the
  /// same member's next run is judged.
  bool introduced(LineId line) const;
  bool has_left() const { return left_; }
  Rank rank() const { return me_; }
  const Roster& roster() const { return roster_; }

 private:
  struct Line {
    enum class Stage : std::uint8_t {
      connecting,
      expect_hello,
      expect_confirm,
      expect_answer,
      expect_welcome,
      introduced
    };
    enum class Part : std::uint8_t {
      member,  ///< of the roster, whoever called; or nobody knows yet
      guest,   ///< visits this node
      visit    ///< this node's, to another
    };
    Stage stage{};
    Part part = Part::member;
    Rank rank = Rendezvous::unknown_rank;
    Time until = never;  ///< of the handshake
    std::string from;
    Nonce nonce{};  ///< ours
    Introduction who;
    Ticket ticket{};
    std::vector<std::byte> buffer;
    bool stranger() const { return stage == Stage::expect_hello || stage == Stage::expect_confirm; }
  };
  struct Peer {
    LineId line = 0;       ///< the introduced one, or the one being called; 0: none
    bool here = false;     ///< introduced, and neither gone nor left
    bool settled = false;  ///< refused or left: not called again
    Incarnation newest{};
    Time call_at{};
    Duration pause = Limits::first_retry;
    std::string reason;  ///< why it is not here
  };
  using Lines = std::map<LineId, Line>;

  Meeting(Roster roster, Introduction self, Rank me, std::function<Nonce()> nonces,
          Manners manners);

  void on_frame(LineId id, Frame frame, Time now);
  void on_hello(LineId id, Line& line, const Hello& hello, Time now);
  void on_guest_hello(LineId id, Line& line, const Hello& hello);
  void on_answer(LineId id, Line& line, const Hello& hello, Time now);
  void on_confirm(LineId id, Line& line, const Proof& proof, Time now);
  void on_welcome(LineId id, Line& line, const Proof& proof, Time now);
  void on_refusal(LineId id, Line& line, Error error, Time now);
  void on_goodbye(LineId id, Line& line, std::string text);
  void introduce(LineId id, Line& line);
  /// Tells the other end why, and this end with the fitting event.
  void refuse(LineId id, Line& line, Error error);
  std::optional<Error> check_run(const Line& line, Rank rank, Incarnation run) const;
  void receive_guest(LineId id, Line& line);
  void end_guest(LineId id, const Line& line, Error error);
  void on_word(LineId id, const Line& line, std::vector<std::byte> bytes);
  /// Ends a line from our side (drop) or acknowledges its end; calls again where that is due.
  void end(LineId id, Time now, std::string reason, bool drop);
  void make_room_for_stranger(Time now);
  Hello hello_to(const Line& line) const;
  Introduction shown_to_guests() const;
  void act(Action::Kind kind, LineId line, std::vector<std::byte> bytes = {}, Rank rank = 0);
  void report(Rendezvous::Event::Kind kind, Rank rank, Error error);

  Roster roster_;
  Introduction self_;
  Manners manners_;
  Rank me_;  // the roster's size if this node is not in it
  std::function<Nonce()> nonces_;
  Lines lines_;
  std::size_t strangers_ = 0;
  std::size_t guests_ = 0;
  LineId next_line_ = 1;
  std::vector<Peer> peers_;
  std::vector<Action> actions_;
  std::vector<Rendezvous::Event> events_;
  bool left_ = false;
};

}  // namespace squall::fabric
