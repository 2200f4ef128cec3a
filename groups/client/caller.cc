#include "groups/client/caller.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"

namespace squall::clients {
namespace {

using Kind = RecordHeader::Kind;

RecordHeader header_of(Kind kind, TargetId target = 0) {
  RecordHeader header;
  header.kind = kind;
  header.target = target;
  return header;
}

std::size_t size_of(Bytes arguments) {
  return sizeof(RecordHeader) + arguments.size();
}

}  // namespace

Caller::Caller(Options options, Time now)
    : options_(std::move(options)), random_(options_.seed), stepped_(now) {
  SQUALL_ASSERT(!options_.contacts.empty(), "somebody can be asked");
  for (const std::string& name : options_.contacts) contacts_.push_back({.name = name});
  open({}, now);
}

// --- what the application wants

TargetId Caller::open(const Opening& opening, Time now) {
  const auto found = std::ranges::find(targets_, opening, &Target::opening);
  if (found != targets_.end()) return static_cast<TargetId>(found - targets_.begin());
  Target target;
  target.opening = opening;
  // Whoever serves this client has most of its objects.
  target.contact = targets_.empty() ? options_.first % static_cast<Rank>(contacts_.size())
                                    : targets_.front().contact;
  target.unserved_since = target.ask_at = now;
  target.heard.assign(contacts_.size(), "not asked yet");
  targets_.push_back(std::move(target));
  return static_cast<TargetId>(targets_.size() - 1);
}

void Caller::listen(TargetId id) {
  Target& target = targets_[id];
  if (target.listens) return;
  target.listens = true;
  Contact& contact = contacts_[target.contact];
  // Else it is said when it is opened.
  if (target.place == Place::waiting || contact.stage != Stage::up) return;
  target.listened = target.place == Place::open;
  append(contact.out, header_of(Kind::listen, id));
}

CallNumber Caller::begin(TargetId id, What what, std::uint64_t method,
                         std::vector<std::byte> arguments, Time now) {
  Target& target = targets_[id];
  Request request{next_call_++, what, method, std::move(arguments), now, 0, false};
  ++calls_;
  call_bytes_ += size_of(request.arguments);
  const CallNumber call = request.call;
  if (what == What::update)
    target.updates.push_back(std::move(request));
  else
    target.reads.emplace(call, std::move(request));
  return call;
}

std::optional<Rank> Caller::server(TargetId id) const {
  const Target& target = targets_[id];
  return target.place == Place::open ? std::optional(target.contact) : std::nullopt;
}

// --- lines

Caller::Contact* Caller::contact_of(fabric::LineId line) {
  const auto found = std::ranges::find_if(contacts_, [line](const Contact& contact) {
    return contact.stage != Stage::none && contact.line == line;
  });
  return found == contacts_.end() ? nullptr : &*found;
}

void Caller::visiting(Rank contact, fabric::LineId line) {
  contacts_[contact].line = line;
}

void Caller::welcomed(fabric::LineId line, Time now) {
  Contact* const contact = contact_of(line);
  if (contact == nullptr || contact->stage != Stage::calling) return;
  contact->stage = Stage::greeting;
  contact->heard = now;
  RecordHeader hello = header_of(Kind::hello);
  hello.what = magic;
  append(contact->out, hello);
}

void Caller::said(fabric::LineId line, Bytes word, Time now) {
  Contact* const contact = contact_of(line);
  if (contact == nullptr) return;
  const auto rank = static_cast<Rank>(contact - contacts_.data());
  contact->heard = now;
  contact->received += word.size();
  contact->in.feed(word);
  // A record may end its line.
  while (contact->line == line && contact->stage != Stage::none) {
    const auto record = contact->in.next();
    if (!record) break;
    take(rank, *record, now);
  }
  if (contact->line == line && contact->stage != Stage::none && !contact->in.ok())
    dismiss(rank, "says what no member would", now);
}

void Caller::ended(fabric::LineId line, const Error& error, Time now) {
  if (Contact* const contact = contact_of(line))
    end_line(static_cast<Rank>(contact - contacts_.data()), error, now);
}

void Caller::end_line(Rank rank, const Error& why, Time now) {
  contacts_[rank] = {.name = std::move(contacts_[rank].name)};
  for (Target& target : targets_)
    if (target.contact == rank && target.place != Place::waiting)
      leave(target, why.what, why.code, now);
}

void Caller::dismiss(Rank rank, const std::string& why, Time now) {
  actions_.push_back({Action::Kind::dismiss, 0, contacts_[rank].line, {}, why});
  end_line(rank, {Code::timeout, why, ""}, now);
}

// --- who serves what

/// The present contact does not serve it (any more).
void Caller::leave(Target& target, std::string why, Code code, Time now) {
  unsay_all(target);
  if (target.place == Place::open) {
    target.unserved_since = now;
    target.tried = 0;
    target.hopeful = false;
    target.hopeless.reset();
    target.pause = first_pause;
    target.hints.clear();
  }
  if (target.session == Target::Session::asked) target.session = Target::Session::none;
  target.place = Place::waiting;
  if (code == Code::refused || code == Code::invalid) {
    if (!target.hopeless)
      target.hopeless =
          Error{Code::refused, fmt::format("{}: {}", contacts_[target.contact].name, why), ""};
  } else if (code != Code::unavailable) {
    target.hopeful = true;
  }
  target.heard[target.contact] = std::move(why);
  next_contact(target, now);
}

void Caller::next_contact(Target& target, Time now) {
  target.ask_at = now;
  if (!target.hints.empty()) {
    target.contact = target.hints.back();
    target.hints.pop_back();
  } else {
    target.contact = (target.contact + 1) % static_cast<Rank>(contacts_.size());
  }
  if (++target.tried < contacts_.size()) return;
  // One that will not, and none that may later: there is nothing to wait for.
  if (target.hopeless && !target.hopeful) target.failure = target.hopeless;
  target.tried = 0;
  target.hopeful = false;
  target.hopeless.reset();
  target.ask_at = now + target.pause;
  target.pause = std::min(2 * target.pause, last_pause);
}

void Caller::say_open(TargetId id, const Target& target, Contact& contact) {
  RecordHeader header = header_of(Kind::open, id);
  header.flag = target.listens ? 1 : 0;
  append(contact.out, header, encode(target.opening));
}

void Caller::look_for_server(TargetId id, Target& target, Time now) {
  if (target.place != Place::waiting) return;
  if (now < target.ask_at) return note(target.ask_at);
  Contact& contact = contacts_[target.contact];
  target.place = Place::opening;
  if (contact.stage == Stage::none) {
    contact.stage = Stage::calling;
    contact.line = 0;
    contact.heard = contact.pinged = now;
    actions_.push_back({Action::Kind::visit, target.contact, 0, {}, {}});
  }
  if (contact.stage == Stage::up) say_open(id, target, contact);
}

// --- what members say

void Caller::take(Rank from, const RecordView& record, Time now) {
  Contact& contact = contacts_[from];
  const RecordHeader& header = record.header;
  if (header.kind == Kind::ready && contact.stage == Stage::greeting) {
    contact.stage = Stage::up;
    for (TargetId id = 0; id < targets_.size(); ++id)
      if (targets_[id].contact == from && targets_[id].place == Place::opening)
        say_open(id, targets_[id], contact);
    return;
  }
  if (header.kind == Kind::pong) return;
  if (contact.stage != Stage::up || header.target >= targets_.size())
    return dismiss(from, "says what no member would", now);
  Target& target = targets_[header.target];
  // Of one that has moved on meanwhile.
  if (target.contact != from || target.place == Place::waiting) return;
  switch (header.kind) {
    case Kind::opened:
      target.place = Place::open;
      target.tried = 0;
      target.pause = first_pause;
      target.failure.reset();
      target.hints.clear();
      target.heard[from] = "serves it";
      // It is told every notice from here on.
      if (target.listens && std::exchange(target.listened, true))
        notices_.push_back({header.target, true, {}});
      return;
    case Kind::away:
      return take_away(target, record, now);
    case Kind::session:
      if (target.session != Target::Session::asked) return;
      target.session = Target::Session::there;
      target.session_id = header.number;
      target.last_sequence = 0;
      return;
    case Kind::updated:
    case Kind::expired:
      return take_reply(target, contact, record);
    case Kind::answered:
      return take_answer(target, contact, record);
    case Kind::notice:
      if (target.listens)
        notices_.push_back({header.target, false, {record.body.begin(), record.body.end()}});
      return;
    default:
      return dismiss(from, "says what no member would", now);
  }
}

void Caller::take_away(Target& target, const RecordView& record, Time now) {
  const auto away = decode_away(record.body);
  if (!away) return dismiss(target.contact, "says what no member would", now);
  std::vector<Rank> hints;
  for (const std::string& name : away->members)
    for (Rank rank = 0; rank < contacts_.size(); ++rank)
      if (contacts_[rank].name == name && rank != target.contact) hints.push_back(rank);
  std::string why = away->why.what;
  if (!away->members.empty() && hints.empty()) {
    std::string names;
    for (const std::string& name : away->members) names += (names.empty() ? "" : ", ") + name;
    why += fmt::format("; who is: {}, none of them a contact", names);
  }
  leave(target, std::move(why), away->why.code, now);
  if (hints.empty()) return;
  target.contact = hints.back();
  hints.pop_back();
  target.hints = std::move(hints);
}

void Caller::take_reply(Target& target, Contact& contact, const RecordView& record) {
  const RecordHeader& header = record.header;
  if (target.session != Target::Session::there || header.more != target.session_id) return;
  const auto found = std::ranges::find(target.updates, header.number, &Request::sequence);
  if (header.number == 0 || found == target.updates.end()) return;
  if (header.kind == Kind::expired)
    return abandon_session(
        target, {Code::lost, "the members do not remember this client's session any more",
                 "it was not used for long, or there are many: see groups/client/README.md"});
  target.seen = std::max(target.seen, header.what);
  unsay(contact, *found);
  finish(*found, header, record.body);
  target.updates.erase(found);
}

void Caller::take_answer(Target& target, Contact& contact, const RecordView& record) {
  const auto found = target.reads.find(record.header.number);
  if (found == target.reads.end()) return;
  target.seen = std::max(target.seen, record.header.what);
  unsay(contact, found->second);
  finish(found->second, record.header, record.body);
  target.reads.erase(found);
}

// --- what is asked

bool Caller::has_room(const Contact& contact, const Request& request) const {
  return contact.unanswered < most_unanswered &&
         (contact.unanswered == 0 ||
          contact.unanswered_bytes + size_of(request.arguments) <= most_unanswered_bytes);
}

void Caller::say(Contact& contact, Request& request, RecordHeader header, Bytes before) {
  header.what = request.method;
  header.bytes = static_cast<std::uint32_t>(before.size() + request.arguments.size());
  const auto* const first = reinterpret_cast<const std::byte*>(&header);
  contact.out.insert(contact.out.end(), first, first + sizeof header);
  contact.out.insert(contact.out.end(), before.begin(), before.end());
  contact.out.insert(contact.out.end(), request.arguments.begin(), request.arguments.end());
  request.said = true;
  ++contact.unanswered;
  contact.unanswered_bytes += size_of(request.arguments);
}

void Caller::unsay(Contact& contact, Request& request) {
  if (!std::exchange(request.said, false)) return;
  // The line may be over, and its counts with it.
  contact.unanswered -= std::min<std::size_t>(contact.unanswered, 1);
  contact.unanswered_bytes -= std::min(contact.unanswered_bytes, size_of(request.arguments));
}

void Caller::unsay_all(Target& target) {
  Contact& contact = contacts_[target.contact];
  for (Request& update : target.updates) unsay(contact, update);
  for (auto& [call, read] : target.reads) unsay(contact, read);
}

void Caller::fill(TargetId id, Target& target) {
  if (target.place != Place::open) return;
  Contact& contact = contacts_[target.contact];
  if (!target.updates.empty() && target.session == Target::Session::none) {
    target.session = Target::Session::asked;
    target.secret = random_.next();
    RecordHeader header = header_of(Kind::session, id);
    header.what = target.secret;
    append(contact.out, header);
  }
  if (target.session == Target::Session::there) {
    const std::uint64_t session[2] = {target.session_id, target.secret};
    const std::size_t count = std::min(target.updates.size(), most_unanswered_updates);
    for (std::size_t at = 0; at < count; ++at) {
      Request& update = target.updates[at];
      if (update.said) continue;
      if (!has_room(contact, update)) break;
      if (update.sequence == 0) update.sequence = ++target.last_sequence;
      RecordHeader header = header_of(Kind::update, id);
      header.number = update.sequence;
      // All before the first that is not answered are.
      header.more = target.updates.front().sequence - 1;
      say(contact, update, header, std::as_bytes(std::span(session)));
    }
  }
  for (auto& [call, read] : target.reads) {
    if (read.said) continue;
    if (!has_room(contact, read)) break;
    RecordHeader header = header_of(Kind::read, id);
    header.number = call;
    header.more = target.seen;
    header.flag = read.what == What::read_in_order ? 1 : 0;
    say(contact, read, header, {});
  }
}

// --- ends of calls

void Caller::finish(const Request& request, const RecordHeader& header, Bytes bytes) {
  --calls_;
  call_bytes_ -= size_of(request.arguments);
  done_.push_back({request.call,
                   header.what == 0 ? 0 : header.what - 1,
                   header.flag == 1,
                   header.effect,
                   {bytes.begin(), bytes.end()}});
}

void Caller::fail(const Request& request, const Error& error, Effect effect) {
  --calls_;
  call_bytes_ -= size_of(request.arguments);
  Done done{request.call, 0, true, effect, {}};
  objects::encode_error(done.bytes, error);
  done_.push_back(std::move(done));
}

/// What was ever said in it may have been executed, and may still be.
void Caller::abandon_session(Target& target, const Error& error) {
  Contact& contact = contacts_[target.contact];
  while (!target.updates.empty() && target.updates.front().sequence != 0) {
    unsay(contact, target.updates.front());
    fail(target.updates.front(), error, Effect::unknown);
    target.updates.pop_front();
  }
  target.session = Target::Session::none;
}

Error Caller::nobody(const Target& target) const {
  std::string heard;
  for (std::size_t rank = 0; rank < contacts_.size(); ++rank)
    heard += fmt::format("{}{}: {}", heard.empty() ? "" : "; ", contacts_[rank].name,
                         target.heard[rank]);
  const Opening& of = target.opening;
  return {Code::timeout,
          of.group.empty()
              ? "no contact serves clients: " + heard
              : fmt::format("no contact serves group {} to clients: {}", of.group, heard),
          "see whether the members run, are reached, and have the object"};
}

void Caller::give_up(Target& target, Time now) {
  if (target.place == Place::open) return;
  if (!target.failure && now >= target.unserved_since + options_.give_up)
    target.failure = nobody(target);
  // What was begun since has its own time, unless it is known to be in vain.
  const bool in_vain = target.failure && target.failure->code == Code::refused;
  const auto over = [&](const Request& request) {
    const Time until = std::max(request.begun, target.unserved_since) + options_.give_up;
    if (in_vain || now >= until) return true;
    note(until);
    return false;
  };
  if (!target.failure) note(target.unserved_since + options_.give_up);
  const Error why = target.failure.value_or(nobody(target));
  if (!target.updates.empty() && target.updates.front().sequence != 0 &&
      over(target.updates.front()))
    abandon_session(target, why);
  while (!target.updates.empty() && target.updates.front().sequence == 0 &&
         over(target.updates.front())) {
    fail(target.updates.front(), why, Effect::no);
    target.updates.pop_front();
  }
  std::erase_if(target.reads, [&](const auto& each) {
    if (!over(each.second)) return false;
    fail(each.second, why, Effect::no);
    return true;
  });
}

// --- time

void Caller::step(Time now) {
  deadline_ = never;
  // Time in which nothing was heard because nobody listened.
  const Duration away = now - stepped_;
  stepped_ = now;
  if (away > options_.patience / 2)
    for (Contact& contact : contacts_) contact.heard += away;
  keep_lines(now);
  for (TargetId id = 0; id < targets_.size(); ++id) {
    look_for_server(id, targets_[id], now);
    give_up(targets_[id], now);
    fill(id, targets_[id]);
  }
  for (Contact& contact : contacts_) {
    if (contact.stage != Stage::up && contact.stage != Stage::greeting) continue;
    if (contact.received - contact.told >= taken_every_bytes) {
      RecordHeader taken = header_of(Kind::taken);
      taken.number = contact.told = contact.received;
      append(contact.out, taken);
    }
    for (std::size_t at = 0; at < contact.out.size(); at += word_bytes) {
      const Bytes word =
          Bytes(contact.out).subspan(at, std::min(word_bytes, contact.out.size() - at));
      actions_.push_back({Action::Kind::say, 0, contact.line, {word.begin(), word.end()}, {}});
    }
    contact.out.clear();
  }
}

void Caller::keep_lines(Time now) {
  for (Rank rank = 0; rank < contacts_.size(); ++rank) {
    Contact& contact = contacts_[rank];
    if (contact.stage == Stage::none) continue;
    if (now >= contact.heard + options_.patience) {
      dismiss(rank, "does not answer", now);
      continue;
    }
    const bool used = std::ranges::any_of(targets_, [rank](const Target& target) {
      return target.contact == rank && target.place != Place::waiting;
    });
    if (!used) {
      dismiss(rank, "is not needed", now);
      continue;
    }
    note(contact.heard + options_.patience);
    if (contact.stage != Stage::up) continue;
    const Duration pace = options_.patience / 3;
    if (now >= contact.pinged + pace) {
      append(contact.out, header_of(Kind::ping));
      contact.pinged = now;
    }
    note(contact.pinged + pace);
  }
}

}  // namespace squall::clients
