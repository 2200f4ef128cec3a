#include "groups/entrance.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/membership/joining.h"
#include "core/membership/timing.h"
#include "groups/rendezvous_wait.h"
#include "providers/catalog/catalog.h"
#include "providers/catalog/names.h"

namespace squall {
namespace {

using membership::Joining;
using membership::Word;

membership::Secret random_secret() {
  membership::Secret secret;
  const ssize_t got = getrandom(secret.data(), secret.size(), 0);
  SQUALL_ASSERT(got == static_cast<ssize_t>(secret.size()), "the system gives randomness");
  return secret;
}

Member member_of(const fabric::Introduction& self) {
  return {self.id, self.incarnation, self.name};
}

Result<Met> met_in(const Word& word, const fabric::Introduction& self, Fabrics& fabrics) {
  auto fabric = catalog::keep(std::move(fabrics), word.provider, self.host);
  if (!fabric) return tl::unexpected(fabric.error());
  Met met;
  met.fabric = std::move(*fabric);
  met.view = word.view;
  met.self = *word.view.rank_of(self.id);
  met.host = self.host;
  met.joined = true;
  for (const membership::Access& access : word.members)
    met.contacts.push_back({access.fabric_address, access.ticket, access.host});
  met.contacts[met.self].host = self.host;
  return met;
}

/// One run of this node that asks until it knows.
class Asking {
 public:
  Asking(const Config& config, const Plan& plan, const fabric::Introduction& self,
         fabric::Rendezvous& rendezvous)
      : rendezvous_(rendezvous), joining_(begin(config, plan, self)) {}

  /// Turns everything once, and waits if there is nothing to do.
  void turn(Time until) {
    const Time now = Monotonic::now();
    joining_.step(now);
    act();
    events_.clear();
    rendezvous_.poll(now, events_);
    for (auto& event : events_) handle(event, now);
    act();
    if (events_.empty()) wait_for(rendezvous_, now, std::min(until, joining_.deadline()));
  }
  const Joining& state() const { return joining_; }

 private:
  static Joining begin(const Config& config, const Plan& plan, const fabric::Introduction& self) {
    std::vector<std::string> names;
    for (const Contact& contact : config.contacts) names.push_back(contact.name);
    Word request;
    request.kind = Word::Kind::request;
    request.secret = random_secret();
    // Not all joiners begin with the same contact.
    const auto first = std::to_integer<Rank>(request.secret[0]);
    return Joining(std::move(names), plan.self, member_of(self), std::move(request),
                   config.failure_timeout, first);
  }

  void handle(fabric::Rendezvous::Event& event, Time now) {
    using Kind = fabric::Rendezvous::Event::Kind;
    switch (event.kind) {
      case Kind::guest:
        rendezvous_.dismiss(event.line, no_group_yet());
        break;
      case Kind::welcomed:
        joining_.welcomed(event.line, now);
        break;
      case Kind::said:
        joining_.said(event.line, event.bytes, now);
        break;
      case Kind::ended:
        joining_.ended(event.line, std::move(event.error), now);
        break;
      case Kind::turned_away:
        log(Level::warning, "{}", event.error.text());
        break;
      case Kind::introduced:
      case Kind::refused:
      case Kind::gone:
      case Kind::left:
        break;
    }
  }

  void act() {
    using Kind = Joining::Action::Kind;
    for (auto actions = joining_.take_actions(); !actions.empty();
         actions = joining_.take_actions()) {
      for (const Joining::Action& action : actions) {
        if (action.kind == Kind::visit) joining_.visiting(rendezvous_.visit(action.contact));
        if (action.kind == Kind::say) rendezvous_.say(action.line, action.bytes);
        if (action.kind == Kind::dismiss)
          rendezvous_.dismiss(action.line, {Code::closed, "it asks no more here", ""});
      }
    }
  }

  fabric::Rendezvous& rendezvous_;
  Joining joining_;
  std::vector<fabric::Rendezvous::Event> events_;
};

}  // namespace

Result<Met> create_group(const fabric::Introduction& self, Fabrics fabrics,
                         std::unique_ptr<fabric::Rendezvous> rendezvous) {
  // Who comes may be on this host or elsewhere: so all of them, where there are several.
  const std::string chosen(fabrics.size() > 1 ? catalog::automatic : fabrics.front()->name());
  auto fabric = catalog::keep(std::move(fabrics), chosen, self.host);
  if (!fabric) return tl::unexpected(fabric.error());
  Met met;
  met.fabric = std::move(*fabric);
  met.rendezvous = std::move(rendezvous);
  met.view.id = ViewId{1};
  met.view.members.push_back(member_of(self));
  met.host = self.host;
  met.contacts.push_back({.host = self.host});
  return met;
}

Result<Met> join_group(const Config& config, const Plan& plan, fabric::Introduction self,
                       Fabrics fabrics, std::unique_ptr<fabric::Rendezvous> rendezvous,
                       Time deadline) {
  const bool may_create = config.start == Start::automatic && plan.self == Rank{0};
  for (;;) {
    Asking asking(config, plan, self, *rendezvous);
    const Joining& state = asking.state();
    while (!state.admitted() && !state.refused()) {
      if (may_create && state.nobody_has_a_group())
        return create_group(self, std::move(fabrics), std::move(rendezvous));
      if (Monotonic::now() >= deadline)
        return fail(Code::timeout,
                    fmt::format("nobody has let {} in: {}", self.name, state.heard()),
                    "one node must create the group (node.start = \"create\"); if one has, see "
                    "whether it runs and is reached, or raise node.start_timeout_ms");
      asking.turn(deadline);
    }
    if (state.admitted()) {
      auto met = met_in(*state.admitted(), self, fabrics);
      if (met) met->rendezvous = std::move(rendezvous);
      return met;
    }
    if (state.refused()->code != Code::closed) return tl::unexpected(*state.refused());
    // It was admitted and came too late; that run of it is over, in the eyes of the others.
    self.incarnation = Incarnation{raw(self.incarnation) + 1};
    rendezvous->renew(self.incarnation);
  }
}

}  // namespace squall
