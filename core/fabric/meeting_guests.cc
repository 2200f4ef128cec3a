// Guests and visits: the same handshake as between members, then words either way.
#include <algorithm>

#include "core/fabric/meeting.h"

namespace squall::fabric {

using Happened = Rendezvous::Event::Kind;

Introduction Meeting::shown_to_guests() const {
  Introduction shown = self_;
  shown.group_digest = manners_.layout.digest;
  shown.group_text = manners_.layout.text;
  return shown;
}

// --- those who come

void Meeting::on_guest_hello(LineId id, Line& line, const Hello& hello) {
  if (auto error = judge_guest(shown_to_guests(), hello)) return refuse(id, line, *error);
  line.part = Line::Part::guest;
  line.nonce = nonces_();
  const Hello mine = hello_to(line);
  line.who = hello.who;
  line.ticket = make_ticket(hello, mine);
  line.stage = Line::Stage::expect_confirm;
  act(Action::Kind::send, id, encode_hello(FrameKind::answer, mine));
}

void Meeting::receive_guest(LineId id, Line& line) {
  if (guests_ >= Limits::guests)
    return refuse(id, line, {Code::would_block, "too many guests at once", "come again"});
  --strangers_;
  ++guests_;
  act(Action::Kind::send, id,
      encode_proof(FrameKind::welcome, make_proof(FrameKind::welcome, line.ticket)));
  line.stage = Line::Stage::introduced;
  line.until = never;
  events_.push_back({.kind = Happened::guest, .who = line.who, .line = id});
}

// --- going to others

LineId Meeting::visit(Rank rank, Time now) {
  const LineId id = next_line_++;
  if (left_ || rank >= roster_.size()) return id;
  Line& line = lines_[id];
  line.part = Line::Part::visit;
  line.stage = Line::Stage::connecting;
  line.rank = rank;
  line.from = roster_[rank].address;
  line.until = now + Limits::handshake;
  act(Action::Kind::call, id, {}, rank);
  return id;
}

// --- with either

void Meeting::on_word(LineId id, const Line& line, std::vector<std::byte> bytes) {
  events_.push_back(
      {.kind = Happened::said, .rank = line.rank, .line = id, .bytes = std::move(bytes)});
}

void Meeting::say(LineId id, Bytes bytes) {
  const auto at = lines_.find(id);
  if (at == lines_.end() || at->second.part == Line::Part::member ||
      at->second.stage != Line::Stage::introduced)
    return;
  act(Action::Kind::send, id, encode_frame(FrameKind::word, bytes));
}

void Meeting::dismiss(LineId id, const Error& why) {
  const auto at = lines_.find(id);
  // A guest is nobody's until it is received.
  if (at == lines_.end() || at->second.part == Line::Part::member || at->second.stranger()) return;
  if (at->second.part == Line::Part::guest) --guests_;
  if (at->second.stage == Line::Stage::connecting) {
    act(Action::Kind::drop, id);
  } else {
    act(Action::Kind::send, id, encode_refusal(why));
    act(Action::Kind::finish, id);
  }
  lines_.erase(at);
}

void Meeting::end_guest(LineId id, const Line& line, Error error) {
  if (line.part == Line::Part::guest) --guests_;
  events_.push_back(
      {.kind = Happened::ended, .rank = line.rank, .error = std::move(error), .line = id});
}

}  // namespace squall::fabric
