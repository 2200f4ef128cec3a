#include "test/simulation/visitors.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/assert.h"
#include "core/engine/turn.h"
#include "groups/object/future.h"
#include "groups/object/invoke.h"

namespace squall::scenarios {
namespace {

using clients::Caller;
using clients::Desk;
using Kind = checker::Operation::Kind;

constexpr std::size_t most_under_way = 6;  // calls of one client
constexpr Duration look_every = 200us;
/// Nobody gives up: whoever is there for good must answer.
constexpr Duration for_ever = 1h;

}  // namespace

Scenario draw_clients(std::uint64_t seed) {
  Scenario scenario = draw_objects(seed);
  scenario.visitors = 1 + Random(seed ^ 0x636c69656e7473).below(3);
  scenario.replay = fmt::format("--seed {} --clients", seed);
  return scenario;
}

Visitors::Visitors(const Scenario& scenario, Shared& shared, simulation::Nodes& nodes,
                   std::function<bool()> calm)
    : shared_(shared),
      nodes_(nodes),
      cluster_(nodes.cluster()),
      calm_(std::move(calm)),
      random_(scenario.seed ^ 0x76697369746f7273),
      contacts_(scenario.options.members + 3),
      gap_(std::chrono::microseconds(random_.below(10'000))),
      latency_(std::chrono::microseconds(20 + random_.below(500))),
      silence_(3 * scenario.options.member.timing.timeout) {
  if (random_.one_in(2)) breaks_ = 5 + random_.below(100);
  std::vector<std::string> names;
  for (Rank contact = 0; contact < contacts_; ++contact)
    names.push_back(simulation::Cluster::name(contact));
  for (std::size_t at = 0; at < scenario.visitors; ++at) {
    Caller::Options options{names, static_cast<Rank>(random_.below(scenario.options.members)),
                            silence_, for_ever, random_.next()};
    auto caller = std::make_unique<Caller>(std::move(options), cluster_.now());
    const auto target = caller->open({scenario.options.group, 0, objects::version_of<Cells>(),
                                      std::string(objects::class_name<Cells>())},
                                     cluster_.now());
    visitors_.push_back({shared_.clients++, std::move(caller), target, 10 + random_.below(50)});
  }
}

Duration Visitors::patience() const {
  return contacts_ * (silence_ + Caller::last_pause) + 2s;
}

bool Visitors::quiet() const {
  return std::ranges::all_of(visitors_, [](const Visitor& each) { return each.calls.empty(); });
}

std::string Visitors::text() const {
  std::string all;
  for (const Visitor& each : visitors_) {
    const auto server = each.caller->server(each.target);
    all += fmt::format("\n    client {}, served by {}: {} calls under way", each.name,
                       server ? simulation::Cluster::name(*server) : "nobody", each.calls.size());
  }
  return all;
}

void Visitors::complain(const Visitor& visitor, const std::string& text) {
  shared_.complain(fmt::format("clients: client {}: {}", visitor.name, text));
}

/// All that happens without a member's turn.
void Visitors::step() {
  const Time now = cluster_.now();
  if (breaks_ != 0 && !calm_() && random_.one_in(breaks_)) break_one();
  for (auto& [id, line] : lines_) carry(id, line);
  std::erase_if(lines_, [](const auto& each) { return !each.second.here && !each.second.there; });
  for (std::size_t at = 0; at < visitors_.size(); ++at) {
    Visitor& visitor = visitors_[at];
    if (visitor.left != 0 && now >= visitor.next && visitor.calls.size() < most_under_way &&
        !calm_())
      call(visitor);
    visitor.caller->step(now);
    act(at);
    for (auto& done : visitor.caller->take_done()) take(visitor, done);
  }
  for (const auto& [member, desk] : desks_)
    if (serves(member) && (desk->due() || desk->deadline() <= cluster_.now_at(member)))
      cluster_.wake(member);
  cluster_.network().at(now + look_every, [this] { step(); });
}

// --- calls

void Visitors::call(Visitor& visitor) {
  --visitor.left;
  visitor.next = cluster_.now() + gap_;
  Call call;
  call.cell = static_cast<std::uint32_t>(random_.below(cells.size()));
  const std::uint64_t roll = random_.below(10);
  if (roll >= 6) {
    call.kind = Kind::read;
    call.what = roll >= 8 ? What::read : What::read_in_order;
    call.seen = visitor.seen;
  } else {
    call.what = What::update;
    call.update = (std::uint64_t{visitor.name} << 32) + ++visitor.updates;
    call.value = static_cast<std::int64_t>(call.update);
    call.kind = random_.one_in(2) ? Kind::write : Kind::compare_and_set;
    if (call.cell >= registers) {
      call.kind = Kind::add;
      call.value = static_cast<std::int64_t>(1 + random_.below(1000));
    } else if (call.kind == Kind::compare_and_set) {
      call.expected = shared_.witness.value(shared_.witness.last(), cells[call.cell]);
    }
  }
  if (call.what != What::read)
    call.operation =
        shared_.history.begin(visitor.name, call.cell, call.kind, call.value, call.expected);
  start(visitor, call);
}

void Visitors::start(Visitor& visitor, const Call& call) {
  clients::CallNumber number = 0;
  const auto begin = [&]<auto Method>(const auto&... arguments) {
    number = objects::encoded<Cells, Method>(
        [&](std::size_t bytes, const auto& encode) {
          std::vector<std::byte> all(bytes);
          SQUALL_ASSERT(encode(all), "what is called here can be encoded");
          return visitor.caller->begin(visitor.target, call.what, objects::method_id<Method>,
                                       std::move(all), cluster_.now());
        },
        arguments...);
  };
  const std::string& cell = cells[call.cell];
  switch (call.kind) {
    case Kind::read:
      begin.operator()<&Cells::read>(cell);
      break;
    case Kind::write:
      begin.operator()<&Cells::write>(call.update, cell, call.value);
      break;
    case Kind::add:
      begin.operator()<&Cells::add>(call.update, cell, call.value);
      break;
    case Kind::compare_and_set:
      begin.operator()<&Cells::compare_and_set>(call.update, cell, call.expected, call.value);
      break;
  }
  visitor.calls.emplace(number, call);
}

void Visitors::act(std::size_t at) {
  Caller& caller = *visitors_[at].caller;
  for (auto& action : caller.take_actions()) {
    if (action.kind == Caller::Action::Kind::visit) {
      Line& line = lines_[++last_line_];
      line.visitor = at;
      line.member = action.contact;
      put(line.out, {});
      caller.visiting(action.contact, last_line_);
      continue;
    }
    const auto found = lines_.find(action.line);
    if (found == lines_.end() || found->second.broken) continue;
    Line& line = found->second;
    if (action.kind == Caller::Action::Kind::say) {
      put(line.out, std::move(action.bytes));
    } else {
      put(line.out, {}, Error{Code::closed, action.why, ""});
      line.here = false;
      line.broken = true;
    }
  }
}

void Visitors::take(Visitor& visitor, Caller::Done& done) {
  const auto ended = visitor.calls.extract(done.call);
  const Call& call = ended.mapped();
  if (call.again) return;
  objects::Reply reply;
  reply.failed = done.failed;
  reply.effect = done.effect;
  reply.bytes.adopt(std::move(done.bytes));
  const auto made = objects::decode_reply<Made>(reply);
  if (!made) {
    // A read may come to nothing where a member is behind what its client saw at another.
    if (call.what != What::update && made.error().effect == Effect::no) return;
    return complain(visitor, fmt::format("call {:x} failed with effect {}: {}", call.update,
                                         objects::name(made.error().effect), made.error().text()));
  }
  if (call.what == What::update) return take_update(visitor, call, *made);
  visitor.seen = std::max(visitor.seen, made->number);
  if (made->number > shared_.witness.last() ||
      shared_.witness.value(made->number, cells[call.cell]) != made->value)
    complain(visitor,
             fmt::format("{} is {} after update {}", cells[call.cell], made->value, made->number));
  if (call.what == What::read_in_order)
    shared_.history.end(call.operation, made->value);
  else if (made->number < call.seen)
    complain(visitor,
             fmt::format("a read saw update {}, and an earlier one {}", made->number, call.seen));
}

void Visitors::take_update(Visitor& visitor, const Call& call, const Made& made) {
  shared_.history.end(call.operation,
                      call.kind == Kind::write ? std::nullopt : std::optional(made.value));
  visitor.seen = std::max(visitor.seen, made.number);
  if (made.number > shared_.witness.last() || shared_.witness.at(made.number).update != call.update)
    complain(visitor, fmt::format("call {:x} is said to be update {}", call.update, made.number));
  const auto at = visitor.numbers.emplace(call.update, made.number).first;
  if ((at != visitor.numbers.begin() && std::prev(at)->second >= made.number) ||
      (std::next(at) != visitor.numbers.end() && std::next(at)->second <= made.number))
    complain(visitor, fmt::format("call {:x} is update {}, out of the order of its client",
                                  call.update, made.number));
}

// --- lines

bool Visitors::serves(Rank member) const {
  return member < cluster_.node_count() && cluster_.alive(member) && cluster_.is_member(member) &&
         desks_.contains(member);
}

/// In the order of the way.
void Visitors::put(std::deque<Word>& way, std::vector<std::byte> bytes, std::optional<Error> end) {
  Time due = cluster_.now() + latency_ + Duration(random_.below(20'000));
  if (!way.empty()) due = std::max(due, way.back().due);
  way.push_back({due, std::move(bytes), std::move(end)});
}

void Visitors::arrive(Line& line) {
  line.arrived = true;
  line.out.pop_front();
  if (!line.here) return;
  if (serves(line.member)) {
    line.run = cluster_.run_of(line.member);
    line.there = true;
    put(line.back, {});
  } else {
    line.broken = true;
    put(line.back, {}, Error{Code::unavailable, "nobody is there", ""});
  }
}

/// What has come for the visitor; a member takes what has come for it when it turns.
void Visitors::carry(fabric::LineId id, Line& line) {
  const Time now = cluster_.now();
  if (!line.arrived && line.out.front().due <= now) arrive(line);
  if (line.there && !(serves(line.member) && cluster_.run_of(line.member) == line.run)) {
    line.there = false;
    if (!std::exchange(line.broken, true)) put(line.back, {}, Error{Code::lost, "it is gone", ""});
  }
  if (line.there && !line.out.empty() && line.out.front().due <= now) cluster_.wake(line.member);
  Caller& caller = *visitors_[line.visitor].caller;
  while (line.here && !line.back.empty() && line.back.front().due <= now) {
    const Word word = std::move(line.back.front());
    line.back.pop_front();
    if (word.end)
      ended(line, id, *word.end);
    else if (word.bytes.empty())
      caller.welcomed(id, now);
    else
      caller.said(id, word.bytes, now);
  }
}

void Visitors::ended(Line& line, fabric::LineId id, const Error& why) {
  line.here = false;
  Visitor& visitor = visitors_[line.visitor];
  visitor.caller->ended(id, why, cluster_.now());
  if (shared_.witness.slip() != Slip::says_again) return;
  std::vector<Call> again;
  for (const auto& [number, call] : visitor.calls)
    if (call.what == What::update && !call.again) again.push_back(call);
  for (Call& call : again) {
    call.again = true;
    start(visitor, call);
  }
}

/// As a router between them may: what was on its way comes, or does not.
void Visitors::break_one() {
  std::vector<Line*> open;
  for (auto& [id, line] : lines_)
    if (line.here && line.there && !line.broken) open.push_back(&line);
  if (open.empty()) return;
  Line& line = *open[random_.below(open.size())];
  if (random_.one_in(2)) line.out.clear();
  if (random_.one_in(2)) line.back.clear();
  put(line.out, {}, Error{Code::lost, "closed the connection", ""});
  put(line.back, {}, Error{Code::lost, "closed the connection", ""});
  line.broken = true;
}

// --- members

void Visitors::came(Rank member) {
  auto& desk = desks_[member];
  if (desk) former_.push_back(std::move(desk));
  desk = std::make_unique<Desk>(
      [this, member](std::string_view) { return nodes_.for_clients(member); });
}

/// What a member's doorway does (groups/doorway.cc).
void Visitors::turned(Rank member, bool leaving) {
  const auto at = desks_.find(member);
  if (at == desks_.end()) return;
  Desk& desk = *at->second;
  const Time now = cluster_.now_at(member);
  for (auto& [id, line] : lines_) {
    if (!line.there || line.member != member || line.run != cluster_.run_of(member)) continue;
    while (line.there && !line.out.empty() && line.out.front().due <= cluster_.now()) {
      const Word word = std::move(line.out.front());
      line.out.pop_front();
      if (word.end) {
        desk.ended(id);
        line.there = false;
      } else {
        desk.said(id, word.bytes, now);
      }
    }
  }
  const engine::Turn& turn = cluster_.state(member);
  std::optional<Error> closed;
  if (turn.phase() == engine::Turn::Phase::stopped)
    closed = Error{Code::would_block, "it is no member any more", ""};
  else if (leaving)
    closed = Error{Code::would_block, "it is leaving", ""};
  else if (turn.isolated())
    closed = Error{Code::would_block, "it has no contact with a majority", ""};
  desk.close(std::move(closed));
  desk.step(now);
  for (auto& action : desk.take_actions()) {
    const auto found = lines_.find(action.line);
    if (found == lines_.end() || !found->second.there) continue;
    Line& line = found->second;
    const bool says = action.kind == Desk::Action::Kind::say;
    if (!line.broken) {
      if (says)
        put(line.back, std::move(action.bytes));
      else
        put(line.back, {}, std::move(action.error));
    }
    if (says) continue;
    line.there = false;
    line.broken = true;
  }
}

}  // namespace squall::scenarios
