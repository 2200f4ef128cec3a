#include "groups/meeting_point.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/base/digest.h"
#include "core/base/log.h"
#include "core/fabric/topology.h"
#include "groups/entrance.h"
#include "groups/rendezvous_wait.h"
#include "providers/catalog/catalog.h"
#include "providers/catalog/names.h"
#include "providers/catalog/preference.h"
#include "providers/rendezvous/tcp.h"

namespace squall {
namespace {

constexpr std::size_t max_group_text_bytes = 4096;  // what an introduction may carry

/// The host part of "host:port" or "[v6]:port".
std::string host_of(const std::string& address) {
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

/// Where this node is reached, as far as its configuration says; empty: nowhere.
std::string own_address(const Config& config, const Plan& plan) {
  if (!config.listen.empty()) return config.listen;
  return plan.self ? config.contacts[*plan.self].address : std::string();
}

/// Which fabrics this member offers: the configured one, or for auto what could serve.
Result<Fabrics> open_candidates(const Config& config, const Plan& plan) {
  const std::string own = own_address(config, plan);
  const auto host = own.empty() ? host_of(config.contacts.front().address) : host_of(own);
  const bool one_host = std::ranges::all_of(
      config.contacts, [&](const Contact& contact) { return host_of(contact.address) == host; });
  if (own.empty() && config.fabric_address.empty() && !(one_host && host.starts_with("127.")))
    return fail(Code::invalid,
                fmt::format("{} is none of the contacts, so nothing says where it is", config.name),
                "set node.listen, or fabric.address to a local address");
  fabric::Options options;
  options.name = config.provider;
  options.node_name = config.name;
  options.local_address = config.fabric_address.empty() ? host : config.fabric_address;
  options.peers = config.contacts.size() - (plan.self ? 1 : 0);
  for (const GroupPlan& group : plan.groups) options.object_bytes += 2 * group.large_bytes;
  // Each open fabric costs memory and time, so network fabrics only where somebody may be
  // elsewhere. Who joins does not know where they all are, nor who creates where others are to come
  // from, if others can reach it at all.
  const bool settles = config.start == Start::together ||
                       (config.start == Start::create && host.starts_with("127."));
  if (options.name == catalog::automatic && one_host && settles) options.name = "shm";
  return catalog::open_candidates(options);
}

View view_of(const std::vector<fabric::Introduction>& introductions) {
  View view;
  view.id = ViewId{1};
  for (const auto& who : introductions) view.members.push_back({who.id, who.incarnation, who.name});
  return view;
}

/// Turns the rendezvous until everyone is introduced.
Result<> introduce(fabric::Rendezvous& rendezvous, Time deadline, std::size_t others,
                   std::vector<fabric::Introduction>& introductions,
                   std::vector<engine::Contact>& contacts) {
  using Kind = fabric::Rendezvous::Event::Kind;
  std::vector<fabric::Rendezvous::Event> events;
  std::vector<bool> met(introductions.size());
  std::size_t count = 0;
  while (count < others) {
    const Time now = Monotonic::now();
    if (now >= deadline)
      return fail(Code::timeout, "these members did not come: " + rendezvous.missing(),
                  "start them, or raise node.start_timeout_ms");
    events.clear();
    rendezvous.poll(now, events);
    for (auto& event : events) {
      switch (event.kind) {
        case Kind::introduced:
          count += met[event.rank] ? 0 : 1;
          met[event.rank] = true;
          introductions[event.rank] = std::move(event.who);
          contacts[event.rank].ticket = event.ticket;
          break;
        case Kind::refused:
          return tl::unexpected(event.error);
        case Kind::turned_away:
          log(Level::warning, "{}", event.error.text());
          break;
        case Kind::gone:
        case Kind::left:
          if (met[event.rank]) --count;
          met[event.rank] = false;
          break;
        case Kind::guest:
          rendezvous.dismiss(event.line, no_group_yet());
          break;
        case Kind::welcomed:
        case Kind::said:
        case Kind::ended:
          break;
      }
    }
    if (events.empty()) wait_for(rendezvous, now, deadline);
  }
  return {};
}

/// The first view of all contacts.
Result<Met> meet_everyone(const Config& config, const Plan& plan, const fabric::Introduction& self,
                          Fabrics candidates, std::unique_ptr<fabric::Rendezvous> rendezvous,
                          Time deadline) {
  Met met;
  met.self = *plan.self;
  met.host = self.host;
  std::vector<fabric::Introduction> introductions(config.contacts.size());
  introductions[met.self] = self;
  met.contacts.resize(config.contacts.size());
  if (auto done =
          introduce(*rendezvous, deadline, config.contacts.size() - 1, introductions, met.contacts);
      !done)
    return tl::unexpected(done.error());

  std::string chosen = config.provider;
  if (chosen == catalog::automatic) {
    auto preferred = catalog::choose(introductions);
    if (!preferred) return tl::unexpected(preferred.error());
    chosen = *preferred;
  }
  auto fabric = catalog::keep(std::move(candidates), chosen, self.host);
  if (!fabric) return tl::unexpected(fabric.error());
  met.fabric = std::move(*fabric);
  for (Rank rank = 0; rank < introductions.size(); ++rank) {
    const fabric::Introduction& who = introductions[rank];
    const auto address = std::ranges::find(who.fabrics, chosen, &fabric::FabricAddress::provider);
    if (address == who.fabrics.end())
      return fail(Code::unavailable,
                  fmt::format("member {} does not offer fabric {}", who.name, chosen));
    met.contacts[rank].fabric_address = address->address;
    met.contacts[rank].host = who.host;
  }
  met.view = view_of(introductions);
  met.rendezvous = std::move(rendezvous);
  return met;
}

}  // namespace

Result<Met> meet(const Config& config, const Plan& plan, Time deadline) {
  auto candidates = open_candidates(config, plan);
  if (!candidates) return tl::unexpected(candidates.error());

  fabric::Introduction self;
  self.name = config.name;
  self.id = fabric::node_id(config.name);
  self.incarnation = Incarnation{static_cast<std::uint64_t>(
      std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1))};
  // The digest covers all of it; the text is there to tell a person what differs.
  self.group_text = plan.text.substr(0, max_group_text_bytes);
  self.group_digest = digest(as_bytes(plan.text));
  self.host = fabric::host_identity();
  self.fabrics = catalog::announced(*candidates, self.host);

  rendezvous::Options options;
  for (const Contact& contact : config.contacts)
    options.roster.push_back({contact.name, contact.address});
  options.self = self;
  options.manners.gathers = config.start == Start::together;
  options.manners.layout = {digest(as_bytes(plan.layout)),
                            plan.layout.substr(0, max_group_text_bytes)};
  options.listen = config.listen;
  options.listen_fd = config.listen_fd;
  auto rendezvous = rendezvous::open(std::move(options));
  if (!rendezvous) return tl::unexpected(rendezvous.error());

  switch (config.start) {
    case Start::together:
      return meet_everyone(config, plan, self, std::move(*candidates), std::move(*rendezvous),
                           deadline);
    case Start::create:
      return create_group(self, std::move(*candidates), std::move(*rendezvous));
    case Start::join:
    case Start::automatic:
      break;
  }
  return join_group(config, plan, std::move(self), std::move(*candidates), std::move(*rendezvous),
                    deadline);
}

}  // namespace squall
