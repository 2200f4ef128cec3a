#include "core/fabric/meeting.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace squall::fabric {

using Happened = Rendezvous::Event::Kind;

Result<Meeting> Meeting::create(Roster roster, Introduction self, std::function<Nonce()> nonces,
                                Manners manners) {
  if (auto ok = check_introduction(self); !ok) return tl::unexpected(ok.error());
  if (manners.layout.text.size() > Limits::group_text_bytes)
    return fail(Code::too_large, "the layout's text is over its limit");
  Rank me = Rendezvous::unknown_rank;
  for (Rank rank = 0; rank < roster.size(); ++rank) {
    const std::string& name = roster[rank].name;
    for (Rank before = 0; before < rank; ++before)
      if (roster[before].name == name)
        return fail(Code::invalid, fmt::format("the contacts name {} twice", name),
                    "give every member a name of its own");
    if (name == self.name) me = rank;
  }
  if (me == Rendezvous::unknown_rank && manners.gathers)
    return fail(Code::invalid, fmt::format("{} is not among the contacts", self.name),
                "let node.contacts name this node too");
  if (me == Rendezvous::unknown_rank) me = static_cast<Rank>(roster.size());
  return Meeting(std::move(roster), std::move(self), me, std::move(nonces), std::move(manners));
}

Meeting::Meeting(Roster roster, Introduction self, Rank me, std::function<Nonce()> nonces,
                 Manners manners)
    : roster_(std::move(roster)),
      self_(std::move(self)),
      manners_(std::move(manners)),
      me_(me),
      nonces_(std::move(nonces)),
      peers_(roster_.size()) {
  for (Rank rank = 0; rank < roster_.size(); ++rank)
    peers_[rank].reason = rank < me_ ? "not called yet" : "has not called yet";
}

// --- lines

LineId Meeting::accepted(Time now, std::string from) {
  const LineId id = next_line_++;
  if (left_) {
    act(Action::Kind::drop, id);
    return id;
  }
  if (strangers_ >= Limits::strangers) make_room_for_stranger(now);
  Line& line = lines_[id];
  line.stage = Line::Stage::expect_hello;
  line.until = now + Limits::handshake;
  line.from = std::move(from);
  ++strangers_;
  return id;
}

void Meeting::connected(LineId id, Time now) {
  const auto at = lines_.find(id);
  if (at == lines_.end()) return;
  Line& line = at->second;
  SQUALL_ASSERT(line.stage == Line::Stage::connecting, "a line connects once");
  line.stage = Line::Stage::expect_answer;
  line.until = now + Limits::handshake;
  line.nonce = nonces_();
  act(Action::Kind::send, id, encode_hello(FrameKind::hello, hello_to(line)));
}

void Meeting::received(LineId id, Bytes bytes, Time now) {
  const auto begun = lines_.find(id);
  if (begun == lines_.end()) return;
  std::vector<std::byte>& arrived = begun->second.buffer;
  arrived.insert(arrived.end(), bytes.begin(), bytes.end());
  // A frame may end its line.
  for (auto at = begun; at != lines_.end(); at = lines_.find(id)) {
    const bool visit = at->second.part == Line::Part::visit;
    auto frame = take_frame(at->second.buffer, visit ? Limits::word_bytes : Limits::frame_bytes);
    if (!frame) return end(id, now, frame.error().text(), true);
    if (!*frame) return;
    on_frame(id, **frame, now);
  }
}

void Meeting::ended(LineId id, Time now, std::string reason, bool nobody) {
  const auto at = lines_.find(id);
  if (nobody && at != lines_.end() && at->second.part == Line::Part::visit) {
    const Line line = std::move(at->second);
    lines_.erase(at);
    return end_guest(id, line, {Code::unavailable, std::move(reason), ""});
  }
  end(id, now, std::move(reason), false);
}

void Meeting::end(LineId id, Time now, std::string reason, bool drop) {
  const auto at = lines_.find(id);
  if (at == lines_.end()) return;
  const Line line = std::move(at->second);
  lines_.erase(at);
  if (drop) act(Action::Kind::drop, id);
  if (line.stranger()) {
    --strangers_;
    return;
  }
  if (line.part != Line::Part::member) return end_guest(id, line, {Code::lost, reason, ""});
  Peer& peer = peers_[line.rank];
  if (peer.line != id) return;
  peer.line = 0;
  peer.reason = reason;
  if (std::exchange(peer.here, false)) {
    report(Happened::gone, line.rank,
           {Code::lost, fmt::format("{} is gone: {}", roster_[line.rank].name, reason), ""});
    peer.pause = Limits::first_retry;
  }
  peer.call_at = now + peer.pause;
  peer.pause = std::min(2 * peer.pause, Limits::last_retry);
}

void Meeting::make_room_for_stranger(Time now) {
  const auto silent = std::find_if(lines_.begin(), lines_.end(), [](const auto& entry) {
    return entry.second.stage == Line::Stage::expect_hello;
  });
  const auto any = std::find_if(lines_.begin(), lines_.end(),
                                [](const auto& entry) { return entry.second.stranger(); });
  end((silent != lines_.end() ? silent : any)->first, now, "too many strangers", true);
}

void Meeting::tick(Time now) {
  if (left_) return;
  std::vector<LineId> late;
  for (const auto& [id, line] : lines_)
    if (line.until <= now) late.push_back(id);
  for (const LineId id : late) {
    const bool connecting = lines_.at(id).stage == Line::Stage::connecting;
    end(id, now,
        fmt::format("no {} within {} s", connecting ? "connection" : "answer",
                    std::chrono::duration_cast<std::chrono::seconds>(Limits::handshake).count()),
        true);
  }
  for (Rank rank = 0; rank < me_ && manners_.gathers; ++rank) {
    Peer& peer = peers_[rank];
    if (peer.line != 0 || peer.settled || peer.call_at > now) continue;
    peer.line = next_line_++;
    Line& line = lines_[peer.line];
    line.stage = Line::Stage::connecting;
    line.rank = rank;
    line.from = roster_[rank].address;
    line.until = now + Limits::handshake;
    act(Action::Kind::call, peer.line, {}, rank);
  }
}

Time Meeting::deadline() const {
  if (left_) return never;
  Time next = never;
  for (const auto& [id, line] : lines_) next = std::min(next, line.until);
  for (Rank rank = 0; rank < me_ && manners_.gathers; ++rank) {
    const Peer& peer = peers_[rank];
    if (peer.line == 0 && !peer.settled) next = std::min(next, peer.call_at);
  }
  return next;
}

// --- frames

void Meeting::on_frame(LineId id, Frame frame, Time now) {
  Line& line = lines_.at(id);
  if (frame.kind == FrameKind::refusal) {
    if (auto error = decode_refusal(frame.body)) return on_refusal(id, line, *error, now);
  } else if (frame.version != wire_version) {
    const bool says_name = frame.kind == FrameKind::hello || frame.kind == FrameKind::answer;
    std::string name = says_name ? decode_hello_name(frame.body) : "";
    return refuse(id, line, version_error(self_.name, name, frame.version));
  } else if (frame.kind == FrameKind::hello && line.stage == Line::Stage::expect_hello) {
    if (auto hello = decode_hello(frame.body)) return on_hello(id, line, *hello, now);
  } else if (frame.kind == FrameKind::answer && line.stage == Line::Stage::expect_answer) {
    if (auto hello = decode_hello(frame.body)) return on_answer(id, line, *hello, now);
  } else if (frame.kind == FrameKind::confirm && line.stage == Line::Stage::expect_confirm) {
    if (auto proof = decode_proof(frame.body)) return on_confirm(id, line, *proof, now);
  } else if (frame.kind == FrameKind::welcome && line.stage == Line::Stage::expect_welcome) {
    if (auto proof = decode_proof(frame.body)) return on_welcome(id, line, *proof, now);
  } else if (frame.kind == FrameKind::goodbye && line.stage == Line::Stage::introduced &&
             line.part == Line::Part::member) {
    if (auto text = decode_goodbye(frame.body)) return on_goodbye(id, line, *text);
  } else if (frame.kind == FrameKind::word && line.stage == Line::Stage::introduced &&
             line.part != Line::Part::member) {
    return on_word(id, line, std::move(frame.body));
  }
  end(id, now, "broke the protocol of the rendezvous", true);
}

void Meeting::on_hello(LineId id, Line& line, const Hello& hello, Time) {
  if (hello.rank == guest_rank && hello.peer_rank == guest_rank)
    return on_guest_hello(id, line, hello);
  if (!manners_.gathers)
    return refuse(id, line,
                  {Code::refused,
                   fmt::format("{} gathers all contacts for a first view, {} does not",
                               printable(hello.who.name, Limits::name_bytes), self_.name),
                   "set node.start of both to the same, or to join a running group"});
  if (auto error = judge(roster_, self_, me_, hello)) {
    // The rank is worth showing if the name is one of ours.
    if (hello.rank < roster_.size() && hello.rank != me_ &&
        roster_[hello.rank].name == hello.who.name)
      line.rank = hello.rank;
    return refuse(id, line, *error);
  }
  line.rank = hello.rank;
  if (hello.rank < me_)
    return refuse(id, line,
                  {Code::refused,
                   fmt::format("{} (rank {}) called {} (rank {}); the higher rank calls",
                               hello.who.name, hello.rank, self_.name, me_),
                   ""});
  if (auto error = check_run(line, hello.rank, hello.who.incarnation))
    return refuse(id, line, *error);
  line.nonce = nonces_();
  const Hello mine = hello_to(line);
  line.who = hello.who;
  line.ticket = make_ticket(hello, mine);
  line.stage = Line::Stage::expect_confirm;
  act(Action::Kind::send, id, encode_hello(FrameKind::answer, mine));
}

void Meeting::on_answer(LineId id, Line& line, const Hello& hello, Time) {
  const bool visit = line.part == Line::Part::visit;
  auto error = visit ? judge_guest(shown_to_guests(), hello) : judge(roster_, self_, me_, hello);
  if (!error && (visit ? hello.who.name != roster_[line.rank].name : hello.rank != line.rank))
    error =
        Error{Code::refused,
              fmt::format("{} answered at the address of {}",
                          printable(hello.who.name, Limits::name_bytes), roster_[line.rank].name),
              "correct the addresses in node.contacts"};
  if (!error && !visit) error = check_run(line, line.rank, hello.who.incarnation);
  if (error) return refuse(id, line, *error);
  line.who = hello.who;
  line.ticket = make_ticket(hello_to(line), hello);
  line.stage = Line::Stage::expect_welcome;
  act(Action::Kind::send, id,
      encode_proof(FrameKind::confirm, make_proof(FrameKind::confirm, line.ticket)));
}

std::optional<Error> Meeting::check_run(const Line& line, Rank rank, Incarnation run) const {
  const Peer& peer = peers_[rank];
  const std::string& name = roster_[rank].name;
  if (run < peer.newest)
    return Error{Code::refused,
                 fmt::format("{} is an earlier run of {} than the one that was here already",
                             line.from, name),
                 "stop it"};
  // The same run may call anew when it lost its line: the proof will tell whether it is alive.
  if (peer.here && run != peer.newest)
    return Error{
        Code::refused,
        fmt::format("a member named {} is already here, from {}", name, lines_.at(peer.line).from),
        "run each member once, or wait until its former run is noticed dead"};
  return std::nullopt;
}

void Meeting::on_confirm(LineId id, Line& line, const Proof& proof, Time now) {
  if (proof != make_proof(FrameKind::confirm, line.ticket))
    return end(id, now, "gave a wrong proof: a replay", true);
  if (line.part == Line::Part::guest) return receive_guest(id, line);
  // Another line may have been faster meanwhile.
  if (auto error = check_run(line, line.rank, line.who.incarnation))
    return refuse(id, line, *error);
  Peer& peer = peers_[line.rank];
  if (peer.here) end(peer.line, now, "it called anew", true);
  --strangers_;
  act(Action::Kind::send, id,
      encode_proof(FrameKind::welcome, make_proof(FrameKind::welcome, line.ticket)));
  introduce(id, line);
}

void Meeting::on_welcome(LineId id, Line& line, const Proof& proof, Time now) {
  if (proof != make_proof(FrameKind::welcome, line.ticket))
    return end(id, now, "gave a wrong proof: a replay", true);
  introduce(id, line);
}

void Meeting::introduce(LineId id, Line& line) {
  line.stage = Line::Stage::introduced;
  line.until = never;
  if (line.part == Line::Part::visit) {
    events_.push_back({.kind = Happened::welcomed, .rank = line.rank, .who = line.who, .line = id});
    return;
  }
  Peer& peer = peers_[line.rank];
  peer.line = id;
  peer.here = true;
  peer.settled = false;
  peer.newest = line.who.incarnation;
  peer.pause = Limits::first_retry;
  events_.push_back(
      {.kind = Happened::introduced, .rank = line.rank, .who = line.who, .ticket = line.ticket});
}

void Meeting::on_refusal(LineId id, Line& line, Error error, Time now) {
  const bool mine = line.stage == Line::Stage::expect_answer ||
                    line.stage == Line::Stage::expect_welcome ||
                    line.stage == Line::Stage::introduced;
  if (line.part == Line::Part::visit && mine) {
    // With the code of who said it: it tells a "not yet" from a "never".
    error.what = fmt::format("{} refused: {}", roster_[line.rank].name, error.what);
    const Line over = std::move(line);
    lines_.erase(id);
    act(Action::Kind::drop, id);
    return end_guest(id, over, std::move(error));
  }
  // Only who was called may refuse; from others it is noise.
  if (line.stage != Line::Stage::expect_answer && line.stage != Line::Stage::expect_welcome) {
    if (line.stage == Line::Stage::expect_confirm && line.part == Line::Part::member) {
      peers_[line.rank].reason = "refused this node: " + error.what;
      report(Happened::turned_away, line.rank, std::move(error));
    }
    return end(id, now, "refused this node", true);
  }
  Peer& peer = peers_[line.rank];
  peer.settled = true;
  report(Happened::refused, line.rank,
         {Code::refused, fmt::format("{} refused: {}", roster_[line.rank].name, error.what),
          std::move(error.remedy)});
  end(id, now, "refused: " + error.what, true);
}

void Meeting::on_goodbye(LineId id, Line& line, std::string text) {
  const Rank rank = line.rank;
  Peer& peer = peers_[rank];
  peer.here = false;
  peer.settled = true;
  peer.line = 0;
  peer.reason = text.empty() ? "left" : "left: " + text;
  lines_.erase(id);
  act(Action::Kind::drop, id);
  report(Happened::left, rank, {Code::closed, std::move(text), ""});
}

void Meeting::refuse(LineId id, Line& line, Error error) {
  act(Action::Kind::send, id, encode_refusal(error));
  act(Action::Kind::finish, id);
  const Rank rank = line.rank;
  const bool received = line.part == Line::Part::guest && !line.stranger();
  if (line.part == Line::Part::visit || received) {
    end_guest(id, line, std::move(error));
  } else if (line.stranger()) {
    --strangers_;
    if (rank != Rendezvous::unknown_rank && !peers_[rank].here)
      peers_[rank].reason = "was refused: " + error.what;
    report(Happened::turned_away, rank, std::move(error));
  } else if (line.stage == Line::Stage::introduced) {
    // Only another version gets here, mid-way: the member is of no more use.
    Peer& peer = peers_[rank];
    peer.here = false;
    peer.settled = true;
    peer.line = 0;
    peer.reason = error.what;
    report(Happened::gone, rank, std::move(error));
  } else {
    Peer& peer = peers_[rank];
    peer.settled = true;
    peer.line = 0;
    peer.reason = "does not fit: " + error.what;
    report(Happened::refused, rank, std::move(error));
  }
  lines_.erase(id);
}

// --- the rest

void Meeting::leave(std::string_view text) {
  if (std::exchange(left_, true)) return;
  for (const auto& [id, line] : lines_) {
    if (line.stage == Line::Stage::introduced && line.part != Line::Part::visit) {
      const bool member = line.part == Line::Part::member;
      act(Action::Kind::send, id,
          member ? encode_goodbye(text)
                 : encode_refusal({Code::would_block, "it has left the group", ""}));
      act(Action::Kind::finish, id);
    } else {
      act(Action::Kind::drop, id);
    }
  }
  lines_.clear();
  strangers_ = guests_ = 0;
  events_.clear();
}

std::string Meeting::missing() const {
  std::string list;
  for (Rank rank = 0; rank < peers_.size() && manners_.gathers; ++rank) {
    if (rank == me_ || peers_[rank].here) continue;
    const RosterMember& member = roster_[rank];
    list += fmt::format("{}{} ({}: {})", list.empty() ? "" : ", ", member.name, member.address,
                        peers_[rank].reason);
  }
  return list;
}

bool Meeting::introduced(LineId id) const {
  const auto at = lines_.find(id);
  return at != lines_.end() && at->second.stage == Line::Stage::introduced;
}

Hello Meeting::hello_to(const Line& line) const {
  if (line.part != Line::Part::member)
    return {shown_to_guests(), guest_rank, guest_rank, "", line.nonce};
  return {self_, me_, line.rank, roster_[line.rank].name, line.nonce};
}

void Meeting::act(Action::Kind kind, LineId line, std::vector<std::byte> bytes, Rank rank) {
  actions_.push_back({kind, line, rank, std::move(bytes)});
}

void Meeting::report(Happened kind, Rank rank, Error error) {
  events_.push_back({.kind = kind, .rank = rank, .error = std::move(error)});
}

}  // namespace squall::fabric
