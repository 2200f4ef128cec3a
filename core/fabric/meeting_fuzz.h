#pragma once
// What the fuzzer and a unit test do with hostile bytes: the first byte chooses who hears them (one
// who was called, one who calls, a node that gathers nobody, one that visits; before or after the
// handshake), the second into how many pieces they are cut.

#include <algorithm>
#include <optional>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/fabric/meeting.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::fabric {

/// One meeting, and what its user would do with what it says.
class FuzzedMeeting {
 public:
  explicit FuzzedMeeting(unsigned choice)
      : calls_(choice % 2 == 1), gathers_(choice / 2 % 2 == 0), shakes_hands_(choice / 4 % 2 == 1) {
    Introduction self = introduction(calls_ ? "b" : "a");
    auto made =
        Meeting::create({{"a", "a:1"}, {"b", "b:1"}}, self, [] { return Nonce{}; }, {gathers_, {}});
    SQUALL_ASSERT(made.has_value(), "the fuzzer's own meeting is right");
    meeting_.emplace(std::move(*made));
    if (!calls_) {
      line_ = meeting_->accepted(now_, "fuzz");
    } else if (gathers_) {
      meeting_->tick(now_);
      meeting_->connected(line_ = 1, now_);
    } else {
      line_ = meeting_->visit(0, now_);
      meeting_->connected(line_, now_);
    }
    if (shakes_hands_) shake_hands();
  }

  void hear(Bytes part) {
    meeting_->received(line_, part, now_);
    follow();
  }
  void end() {
    now_ += Limits::handshake;
    meeting_->tick(now_);
    follow();
    static_cast<void>(meeting_->missing());
    meeting_->leave("done");
    follow();
    SQUALL_ASSERT(meeting_->deadline() == never, "nothing is left to do");
  }

 private:
  static Introduction introduction(const std::string& name) {
    Introduction who;
    who.name = name;
    who.id = node_id(name);
    return who;
  }

  /// As the other end would, up to where words, or nothing but goodbyes, are said.
  void shake_hands() {
    Hello mine, theirs;
    mine.who = introduction(calls_ ? "b" : "a");
    theirs.who = introduction(calls_ ? "a" : "b");
    if (!gathers_) {
      mine.rank = mine.peer_rank = theirs.rank = theirs.peer_rank = guest_rank;
    } else {
      theirs.rank = calls_ ? 0 : 1;
      theirs.peer_rank = calls_ ? 1 : 0;
      theirs.peer_name = mine.who.name;
    }
    const Ticket ticket = calls_ ? make_ticket(mine, theirs) : make_ticket(theirs, mine);
    hear(encode_hello(calls_ ? FrameKind::answer : FrameKind::hello, theirs));
    const FrameKind last = calls_ ? FrameKind::welcome : FrameKind::confirm;
    hear(encode_proof(last, make_proof(last, ticket)));
    SQUALL_ASSERT(received_, "the fuzzer shakes hands");
  }

  void follow() {
    static_cast<void>(meeting_->take_actions());
    using Kind = Rendezvous::Event::Kind;
    for (const Rendezvous::Event& event : meeting_->take_events()) {
      received_ |= event.kind == Kind::introduced || event.kind == Kind::guest ||
                   event.kind == Kind::welcomed;
      if (event.kind == Kind::said) {
        meeting_->say(event.line, event.bytes);
        if (event.bytes.empty()) meeting_->dismiss(event.line, {Code::refused, "nothing", ""});
      }
    }
  }

  bool calls_;
  bool gathers_;
  bool shakes_hands_;
  bool received_ = false;
  Time now_{};
  LineId line_ = 0;
  std::optional<Meeting> meeting_;
};

inline void fuzz_meeting(Bytes input) {
  if (input.size() < 2) return;
  FuzzedMeeting meeting(std::to_integer<unsigned>(input[0]));
  const std::size_t piece = 1 + std::to_integer<std::size_t>(input[1]);
  input = input.subspan(2);
  while (!input.empty()) {
    const Bytes part = input.first(std::min(piece, input.size()));
    input = input.subspan(part.size());
    meeting.hear(part);
  }
  meeting.end();
}

}  // namespace squall::fabric
