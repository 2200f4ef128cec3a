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
                 std::string host, Duration sign_of_life)
    : rendezvous_(rendezvous),
      turn_(turn),
      mine_{fabric.address(), host, {}},
      admission_(std::string(fabric.name()), sign_of_life, judge_of(fabric, host)) {}

bool Doorway::handle(fabric::Rendezvous::Event& event, Time now) {
  using Kind = fabric::Rendezvous::Event::Kind;
  if (event.kind == Kind::guest) {
    admission_.guest(event.line, std::move(event.who), now);
  } else if (event.kind == Kind::said) {
    admission_.said(event.line, event.bytes, now);
  } else if (event.kind == Kind::ended) {
    admission_.ended(event.line);
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

void Doorway::dismiss(const membership::Admission::Action& action) {
  log(Level::info, "a guest is sent away: {}", action.error.text());
  rendezvous_.dismiss(action.line, action.error);
}

void Doorway::step(Time now) {
  using Phase = engine::Turn::Phase;
  if (closed_)
    admission_.close(closed_);
  else if (turn_.phase() == Phase::stopped)
    admission_.close(Error{Code::would_block, "it is no member any more", ""});
  else
    admission_.close(std::nullopt);
  admission_.step(turn_.view(), entry(), now);
  turn_.sponsor(admission_.waiting());
  using Kind = membership::Admission::Action::Kind;
  for (auto& action : admission_.take_actions()) {
    if (action.kind == Kind::say)
      rendezvous_.say(action.line, action.bytes);
    else
      dismiss(action);
  }
}

}  // namespace squall
