#include "groups/client/desk.h"

#include <algorithm>

namespace squall::clients {
namespace {

using Kind = RecordHeader::Kind;

// Of one client, in one step; the others have their turn then.
constexpr int most_at_once = 64;
// What is accepted of a client that has not been done: more than it says before it is answered.
constexpr std::size_t most_inbox = 4 * most_unanswered;
constexpr std::size_t most_inbox_bytes = 2 * most_request_bytes + most_unanswered_bytes;
// Replies may be so large that only some are made at a time.
constexpr std::size_t most_asked_in_order = 16;
constexpr std::size_t enough_out_bytes = most_reply_bytes;
// More are opened by who comes back than by who stays.
constexpr int most_sessions = 8;
constexpr std::size_t piece_bytes = std::size_t{128} << 10;
constexpr Duration try_again = std::chrono::milliseconds(1);

Error no_protocol(std::string_view what) {
  return {Code::invalid, "breaks the protocol of clients: " + std::string(what), ""};
}

RecordHeader header_of(Kind kind, TargetId target = 0, std::uint64_t number = 0) {
  RecordHeader header;
  header.kind = kind;
  header.target = target;
  header.number = number;
  return header;
}

/// Another member may do it: this one is closing, in no shard, or no sender.
bool is_elsewhere(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::closed || error.code == Code::lost;
}

}  // namespace

// --- what clients say

void Desk::said(fabric::LineId id, Bytes word, Time now) {
  due_ = true;
  if (!has(id) && lines_.size() >= most_clients) {
    actions_.push_back({Action::Kind::dismiss,
                        id,
                        {},
                        {Code::would_block, "too many clients at once", "come again"}});
    return;
  }
  Line& line = lines_[id];
  if (line.doom) return;
  line.heard = now;
  line.in.feed(word);
  while (!line.doom) {
    const auto record = line.in.next();
    if (!record) break;
    take(line, *record, now);
  }
  if (!line.in.ok()) doom(line, no_protocol("what is no record"));
}

void Desk::take(Line& line, const RecordView& record, Time now) {
  const RecordHeader& header = record.header;
  if (line.greeted == (header.kind == Kind::hello))
    return doom(line, no_protocol("it says hello first, and once"));
  switch (header.kind) {
    case Kind::hello:
      if (header.what != magic) return doom(line, no_protocol("it is another's"));
      line.greeted = true;
      return put(line, header_of(Kind::ready));
    case Kind::open:
      return open(line, record);
    case Kind::listen:
      if (const auto at = line.targets.find(header.target); at != line.targets.end())
        at->second.listens = true;
      return;
    case Kind::taken:
      if (header.number < line.taken || header.number > line.said)
        return doom(line, no_protocol("it takes what was not said"));
      line.taken = header.number;
      return;
    case Kind::ping:
      return put(line, header_of(Kind::pong));
    case Kind::session:
    case Kind::update:
    case Kind::read:
      line.inbox_bytes += record.body.size();
      line.inbox.push_back({header, {record.body.begin(), record.body.end()}, now});
      if (line.inbox.size() + line.waiting.size() + line.asked > most_inbox ||
          line.inbox_bytes > most_inbox_bytes)
        doom(line, no_protocol("it asks for more before it is answered"));
      return;
    default:
      return doom(line, no_protocol("it says what members say"));
  }
}

void Desk::open(Line& line, const RecordView& record) {
  const TargetId id = record.header.target;
  auto opening = decode_opening(record.body);
  if (!opening || line.targets.contains(id) || line.targets.size() >= most_targets)
    return doom(line, no_protocol("it opens what cannot be opened"));
  const auto refuse = [&](const Away& away) { put(line, header_of(Kind::away, id), encode(away)); };
  Service* service = nullptr;
  if (!opening->group.empty()) {
    service = find_(opening->group);
    if (service == nullptr)
      return refuse({{Code::unavailable, "it has no object in group " + opening->group,
                      "let every member have the group's object (Node::object)"},
                     {}});
    if (const auto away = service->client_opens(*opening, *this)) return refuse(*away);
  }
  line.targets[id] = {service, std::move(*opening), record.header.flag == 1, 0};
  put(line, header_of(Kind::opened, id));
}

void Desk::ended(fabric::LineId id) {
  drop(id);
}

void Desk::drop(fabric::LineId id) {
  const auto at = lines_.find(id);
  if (at == lines_.end()) return;
  kept_ -= at->second.out.size();
  lines_.erase(at);
  std::erase_if(asked_, [id](const auto& each) { return each.second.line == id; });
}

void Desk::close(std::optional<Error> why, bool answers) {
  closed_ = std::move(why);
  answers_ = answers;
  if (closed_ && !lines_.empty()) due_ = true;
}

// --- what is done for them

bool Desk::step(Time now) {
  due_ = false;
  deadline_ = never;
  bool worked = false;
  for (auto& [id, line] : lines_) {
    if (closed_ && !owes(line)) doom(line, *closed_);
    if (!closed_ && !line.doom) worked |= work(id, line, now);
  }
  sweep(now);
  for (auto& [id, line] : lines_) {
    const bool said = flush(id, line);
    if (closed_) due_ |= said;
    worked |= said;
    deadline_ = std::min(deadline_, line.heard + silence);
    if (!line.inbox.empty() || !line.waiting.empty())
      deadline_ = std::min(deadline_, now + try_again);
  }
  return worked;
}

bool Desk::work(fabric::LineId id, Line& line, Time now) {
  int done = 0;
  for (std::size_t at = 0; at < line.waiting.size() && !line.doom;) {
    if (done == most_at_once || line.out.size() >= enough_out_bytes) break;
    if (serve_read(id, line, line.waiting[at], now) == Served::later) {
      ++at;
      continue;
    }
    line.inbox_bytes -= line.waiting[at].body.size();
    line.waiting.erase(line.waiting.begin() + static_cast<std::ptrdiff_t>(at));
    ++done;
  }
  while (!line.inbox.empty() && !line.doom && done < most_at_once &&
         line.out.size() < enough_out_bytes) {
    Request& next = line.inbox.front();
    const bool waits = serve(id, line, next, now) == Served::later;
    // Reads may wait beside the others; updates keep their order.
    if (waits && next.header.kind != Kind::read) break;
    if (waits)
      line.waiting.push_back(std::move(next));
    else
      line.inbox_bytes -= next.body.size();
    line.inbox.pop_front();
    ++done;
  }
  if (done == most_at_once) due_ = true;
  return done != 0;
}

Desk::Served Desk::serve(fabric::LineId id, Line& line, const Request& request, Time now) {
  const RecordHeader& header = request.header;
  const auto target = line.targets.find(header.target);
  // It was told that this is not served here, and what it asked has crossed that.
  if (target == line.targets.end()) return Served::done;
  if (target->second.service == nullptr) {
    doom(line, no_protocol("a member is no object"));
    return Served::done;
  }
  if (header.kind == Kind::read) return serve_read(id, line, request, now);
  if (header.kind == Kind::update) return serve_update(id, line, request);
  if (target->second.sessions >= most_sessions) {
    doom(line, {Code::would_block, "it opens too many sessions", ""});
    return Served::done;
  }
  const Tag tag = ask(id, line, request);
  Service& service = *target->second.service;
  ++target->second.sessions;
  const auto done = asked(id, line, tag, request, service.client_session(tag, header.what));
  if (done == Served::later)
    if (const auto still = line.targets.find(header.target); still != line.targets.end())
      --still->second.sessions;
  return done;
}

Desk::Served Desk::serve_update(fabric::LineId id, Line& line, const Request& request) {
  const RecordHeader& header = request.header;
  Reader body(request.body);
  objects::SessionHeader session;
  session.session = body.get<std::uint64_t>();
  session.secret = body.get<std::uint64_t>();
  session.sequence = header.number;
  session.acknowledged = header.more;
  if (!body.ok() || header.number == 0) {
    doom(line, no_protocol("an update without a session"));
    return Served::done;
  }
  Service& service = *line.targets.at(header.target).service;
  const Tag tag = ask(id, line, request, session.session);
  auto done = service.client_update(tag, session, header.what, body.rest());
  if (!done && done.error().code != Code::would_block && !is_elsewhere(done.error()))
    done = service.client_refuses(tag, session, done.error());
  return asked(id, line, tag, request, done);
}

Desk::Served Desk::serve_read(fabric::LineId id, Line& line, const Request& request, Time now) {
  const RecordHeader& header = request.header;
  const auto target = line.targets.find(header.target);
  if (target == line.targets.end()) return Served::done;
  Service& service = *target->second.service;
  if (service.client_version() < header.more) {
    if (now < request.since + catch_up) return Served::later;
    fail(
        line, request,
        {Code::would_block, "the member has not come as far as this client has seen", "ask again"});
    return Served::done;
  }
  if (header.flag == 0) {
    const Tag tag = ask(id, line, request);
    service.client_read(tag, header.what, request.body);
    return Served::done;
  }
  if (line.asked_in_order >= most_asked_in_order) return Served::later;
  const Tag tag = ask(id, line, request);
  return asked(id, line, tag, request,
               service.client_read_in_order(tag, header.what, request.body));
}

Tag Desk::ask(fabric::LineId id, Line& line, const Request& request, std::uint64_t session) {
  const RecordHeader& header = request.header;
  asked_[next_tag_] = {id, header.target, header.kind, header.number, session};
  ++line.asked;
  if (header.kind == Kind::read) ++line.asked_in_order;
  return next_tag_++;
}

void Desk::forget(Line& line, std::map<Tag, Asked>::iterator asked) {
  --line.asked;
  if (asked->second.kind == Kind::read) --line.asked_in_order;
  asked_.erase(asked);
}

Desk::Served Desk::asked(fabric::LineId id, Line& line, Tag tag, const Request& request,
                         const Result<>& done) {
  if (done) return Served::done;
  if (const auto at = asked_.find(tag); at != asked_.end()) forget(line, at);
  if (done.error().code == Code::would_block) return Served::later;
  if (request.header.kind == Kind::read && !is_elsewhere(done.error()))
    fail(line, request, done.error());
  else
    send_away(id, line, request.header.target, {done.error(), {}});
  return Served::done;
}

void Desk::fail(Line& line, const Request& read, const Error& error) {
  std::vector<std::byte> body;
  objects::encode_error(body, error);
  RecordHeader header = header_of(Kind::answered, read.header.target, read.header.number);
  header.flag = 1;
  put(line, header, body);
}

// --- what comes of it

void Desk::answer(Tag tag, const Answer& answer) {
  const auto found = asked_.find(tag);
  if (found == asked_.end()) return;
  const Asked what = found->second;
  Line& line = lines_.at(what.line);
  forget(line, found);
  if (!line.targets.contains(what.target)) return;
  due_ = true;
  if (answer.kind == Answer::Kind::gap)
    return doom(line, {Code::would_block, "an update before this one has not come", "come again"});
  RecordHeader header = header_of(Kind::updated, what.target, what.number);
  header.effect = answer.effect;
  header.flag = answer.kind == Answer::Kind::error ? 1 : 0;
  header.what = answer.version;
  header.more = what.session;
  if (answer.kind == Answer::Kind::expired) {
    header.kind = Kind::expired;
  } else if (what.kind == Kind::session) {
    header = header_of(Kind::session, what.target, answer.version);
  } else if (what.kind == Kind::read) {
    header.kind = Kind::answered;
  }
  put(line, header, answer.bytes);
}

void Desk::notify(Service& service, Bytes notice) {
  for (auto& [id, line] : lines_)
    for (const auto& [target, of] : line.targets) {
      if (of.service != &service || !of.listens || line.doom) continue;
      due_ = true;
      if (line.out.size() + notice.size() > most_notice_bytes)
        doom(line, {Code::would_block, "it does not take its notices", "come again, and turn"});
      else
        put(line, header_of(Kind::notice, target), notice);
    }
}

void Desk::look_again(Service& service) {
  for (auto& [id, line] : lines_) {
    std::vector<std::pair<TargetId, Away>> away;
    for (const auto& [target, of] : line.targets)
      if (of.service == &service)
        if (auto now = service.client_opens(of.opening, *this))
          away.emplace_back(target, std::move(*now));
    for (const auto& [target, why] : away) send_away(id, line, target, why);
  }
}

void Desk::send_away(fabric::LineId id, Line& line, TargetId target, const Away& away) {
  if (line.targets.erase(target) == 0) return;
  for (auto at = asked_.begin(); at != asked_.end();) {
    const auto next = std::next(at);
    if (at->second.line == id && at->second.target == target) forget(line, at);
    at = next;
  }
  due_ = true;
  put(line, header_of(Kind::away, target), encode(away));
}

void Desk::put(Line& line, const RecordHeader& header, Bytes body) {
  if (line.doom) return;
  const std::size_t before = line.out.size();
  append(line.out, header, body);
  kept_ += line.out.size() - before;
  if (line.out.size() > most_kept_bytes)
    doom(line, {Code::would_block, "it does not take its replies", "come again, and turn"});
}

bool Desk::flush(fabric::LineId id, Line& line) {
  std::size_t at = 0;
  while (at < line.out.size() && line.said - line.taken < most_untaken_bytes) {
    const std::size_t piece =
        std::min({line.out.size() - at, piece_bytes,
                  most_untaken_bytes - static_cast<std::size_t>(line.said - line.taken)});
    const auto from = line.out.begin() + static_cast<std::ptrdiff_t>(at);
    actions_.push_back(
        {Action::Kind::say, id, {from, from + static_cast<std::ptrdiff_t>(piece)}, {}});
    at += piece;
    line.said += piece;
  }
  line.out.erase(line.out.begin(), line.out.begin() + static_cast<std::ptrdiff_t>(at));
  kept_ -= at;
  return at != 0;
}

void Desk::sweep(Time now) {
  while (kept_ > most_kept_bytes_of_all) {
    const auto most = std::ranges::max_element(
        lines_, {}, [](const auto& each) { return each.second.doom ? 0 : each.second.out.size(); });
    if (most->second.doom) break;
    doom(most->second, {Code::would_block, "clients do not take their replies", "come again"});
    kept_ -= most->second.out.size();
    most->second.out.clear();
  }
  std::vector<fabric::LineId> gone;
  for (auto& [id, line] : lines_) {
    if (now >= line.heard + silence) doom(line, {Code::timeout, "a client that says nothing", ""});
    if (!line.doom) continue;
    actions_.push_back({Action::Kind::dismiss, id, {}, *line.doom});
    gone.push_back(id);
  }
  for (const fabric::LineId id : gone) drop(id);
}

}  // namespace squall::clients
