#include "groups/doorway.h"

#include <fmt/format.h>

#include "core/base/log.h"

namespace squall {
namespace {

membership::Admission::Judge judge_of(const fabric::Fabric& fabric, const std::string& host) {
  if (!fabric.capabilities().maps) return {};
  // Mapped memory ends where the host does.
  return [name = std::string(fabric.name()), host](const fabric::Introduction& who,
                                                   Bytes) -> Result<> {
    if (who.host == host) return {};
    return fail(
        Code::refused,
        fmt::format("the group runs on {} of one host, and {} is on another", name, who.name),
        "start the group with a fabric.provider that reaches both");
  };
}

}  // namespace

Doorway::Doorway(fabric::Rendezvous& rendezvous, engine::Turn& turn, const fabric::Fabric& fabric,
                 std::string host, const membership::Timing& timing, clients::Desk::Find find)
    : rendezvous_(rendezvous),
      turn_(turn),
      mine_{fabric.address(), host, {}},
      admission_(std::string(fabric.name()), timing.interval, judge_of(fabric, host)),
      desk_(std::move(find)),
      patience_(timing.timeout) {}

bool Doorway::handle(fabric::Rendezvous::Event& event, Time now) {
  using Kind = fabric::Rendezvous::Event::Kind;
  if (event.kind == Kind::guest) {
    admission_.guest(event.line, std::move(event.who), now);
  } else if (event.kind == Kind::said) {
    if (desk_.has(event.line)) {
      desk_.said(event.line, event.bytes, now);
    } else if (admission_.expects(event.line) && clients::begins_client(event.bytes)) {
      admission_.ended(event.line);
      desk_.said(event.line, event.bytes, now);
    } else {
      admission_.said(event.line, event.bytes, now);
    }
  } else if (event.kind == Kind::ended) {
    admission_.ended(event.line);
    desk_.ended(event.line);
  } else if (event.kind == Kind::turned_away) {
    log(Level::warning, "a caller was turned away: {}", event.error.text());
  } else {
    return false;
  }
  return true;
}

membership::Entry Doorway::entry() const {
  membership::Entry entry;
  entry.change = turn_.entry();
  entry.joined = turn_.joined_with_this_view();
  for (Rank rank = 0; rank < turn_.view().size() && entry.change != nullptr; ++rank) {
    const engine::Contact& contact = turn_.contacts()[rank];
    entry.members.push_back(rank == turn_.self()
                                ? mine_
                                : membership::Access{contact.fabric_address, contact.host, {}});
  }
  return entry;
}

void Doorway::dismiss(fabric::LineId line, const Error& why) {
  log(Level::info, "a guest is sent away: {}", why.text());
  rendezvous_.dismiss(line, why);
}

bool Doorway::turn_desk(Time now) {
  const bool worked = desk_.step(now);
  using Kind = clients::Desk::Action::Kind;
  for (auto& action : desk_.take_actions()) {
    if (action.kind == Kind::say)
      rendezvous_.say(action.line, action.bytes);
    else
      dismiss(action.line, action.error);
  }
  return worked;
}

/// A moment without a majority is none that clients need to know of: they would ask others, who
/// may be as busy, and for what this member is about to answer.
std::optional<Error> Doorway::why_no_clients(Time now) {
  if (!turn_.isolated()) {
    alone_at_ = look_at_ = never;
    return std::nullopt;
  }
  if (alone_at_ == never) alone_at_ = look_at_ = now + patience_;
  if (now < alone_at_) return std::nullopt;
  look_at_ = never;
  return Error{Code::would_block, "it has no contact with a majority", ""};
}

void Doorway::step(Time now) {
  const bool stopped = turn_.phase() == engine::Turn::Phase::stopped;
  std::optional<Error> closed = closed_;
  if (!closed && stopped) closed = Error{Code::would_block, "it is no member any more", ""};
  admission_.close(closed);
  // A group that lets nobody in serves clients all the same.
  if (closed && (stopped || closed->code != Code::refused))
    desk_.close(closed, !stopped);
  else
    desk_.close(why_no_clients(now));
  admission_.step(turn_.view(), entry(), now);
  turn_.sponsor(admission_.waiting());
  using Kind = membership::Admission::Action::Kind;
  for (auto& action : admission_.take_actions()) {
    if (action.kind == Kind::say)
      rendezvous_.say(action.line, action.bytes);
    else
      dismiss(action.line, action.error);
  }
  static_cast<void>(turn_desk(now));
}

}  // namespace squall
