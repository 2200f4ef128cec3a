#include "groups/meeting_point.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/base/digest.h"
#include "core/base/log.h"
#include "core/base/rank_set.h"
#include "core/base/ring_math.h"
#include "core/fabric/topology.h"
#include "core/mirror/frame.h"
#include "groups/stack/stack.h"
#include "providers/catalog/catalog.h"
#include "providers/catalog/names.h"
#include "providers/catalog/preference.h"
#include "providers/rendezvous/tcp.h"

namespace squall {
namespace {

constexpr std::size_t max_groups = 1024;
constexpr std::size_t max_group_text_bytes = 4096;  // what an introduction may carry

/// The host part of "host:port" or "[v6]:port".
std::string host_of(const std::string& address) {
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

/// Every name must be one of the contacts, and none comes twice.
Result<std::vector<NodeId>> senders_of(const Config& config, const GroupConfig& group) {
  std::vector<NodeId> senders;
  for (const std::string& name : group.senders) {
    if (std::ranges::find(config.contacts, name, &Contact::name) == config.contacts.end())
      return fail(Code::invalid,
                  fmt::format("group.{}.senders names \"{}\", who is none of the contacts",
                              group.name, name),
                  "name members, or leave senders out to let everyone send");
    const NodeId sender = fabric::node_id(name);
    if (std::ranges::find(senders, sender) != senders.end())
      return fail(Code::invalid,
                  fmt::format("group.{}.senders names \"{}\" twice", group.name, name));
    senders.push_back(sender);
  }
  return senders;
}

Result<engine::ChannelPlan> plan_channel(const Config& config, const GroupConfig& group,
                                         std::string& text) {
  auto stack = Stack::parse(group.stack);
  if (!stack)
    return fail(Code::invalid, fmt::format("group.{}: {}", group.name, stack.error().what),
                stack.error().remedy);
  if (!is_power_of_two(group.ring_bytes) || group.ring_bytes < mirror::min_ring_bytes ||
      group.ring_bytes > mirror::max_ring_bytes)
    return fail(Code::invalid,
                fmt::format("group.{}.ring_bytes is {}", group.name, group.ring_bytes),
                fmt::format("a power of two from {} to {}", mirror::min_ring_bytes,
                            mirror::max_ring_bytes));
  auto senders = senders_of(config, group);
  if (!senders) return tl::unexpected(senders.error());
  text +=
      fmt::format("group.{}: stack {}, senders {}, ring_bytes {}\n", group.name, stack->text(),
                  group.senders.empty() ? "all" : fmt::format("{}", fmt::join(group.senders, " ")),
                  group.ring_bytes);
  return engine::ChannelPlan{group.name, std::move(*senders), group.senders.empty(),
                             group.ring_bytes, stack->factory()};
}

/// Which fabrics this member offers: the configured one, or for auto what could serve.
Result<std::vector<std::unique_ptr<fabric::Fabric>>> open_candidates(const Config& config,
                                                                     const Contact& mine) {
  fabric::Options options;
  options.name = config.provider;
  options.node_name = mine.name;
  options.local_address = config.fabric_address.empty()
                              ? host_of(config.listen.empty() ? mine.address : config.listen)
                              : config.fabric_address;
  const bool one_host = std::ranges::all_of(config.contacts, [&](const Contact& contact) {
    return host_of(contact.address) == host_of(mine.address);
  });
  // Each open fabric costs memory, so network fabrics only where somebody may be elsewhere.
  if (options.name == catalog::automatic && one_host) options.name = "shm";
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
      }
    }
    if (!events.empty()) continue;
    const Duration wait = std::clamp<Duration>(std::min(rendezvous.deadline(), deadline) - now,
                                               Duration::zero(), std::chrono::seconds(1));
    pollfd ready{rendezvous.fd(), POLLIN, 0};
    const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
    ppoll(&ready, 1, &timeout, nullptr);
  }
  return {};
}

}  // namespace

Result<Plan> make_plan(const Config& config) {
  if (config.contacts.empty())
    return fail(Code::invalid, "node.contacts is empty",
                "name every member, this one included: contacts = [\"a@10.0.0.1:7070\", ...]");
  if (config.contacts.size() > max_members || config.groups.size() > max_groups)
    return fail(
        Code::too_large,
        fmt::format("{} contacts and {} groups", config.contacts.size(), config.groups.size()),
        fmt::format("at most {} members and {} groups", max_members, max_groups));
  const auto mine = std::ranges::find(config.contacts, config.name, &Contact::name);
  if (mine == config.contacts.end())
    return fail(Code::invalid,
                fmt::format("node.name is \"{}\", which is none of the contacts", config.name),
                "give this node the name of one of them");
  Plan plan;
  plan.self = static_cast<Rank>(mine - config.contacts.begin());
  for (const Contact& contact : config.contacts)
    plan.text += fmt::format("member {} at {}\n", contact.name, contact.address);
  plan.text += fmt::format("fabric {}\n", config.provider);
  plan.text += fmt::format("failure_timeout {} ms, losses are {}\n",
                           config.failure_timeout / std::chrono::milliseconds(1),
                           config.survive_losses ? "survived" : "fatal");
  for (const GroupConfig& group : config.groups) {
    for (const auto& other : plan.channels)
      if (other.name == group.name)
        return fail(Code::invalid, fmt::format("two groups are called \"{}\"", group.name));
    auto channel = plan_channel(config, group, plan.text);
    if (!channel) return tl::unexpected(channel.error());
    plan.channels.push_back(std::move(*channel));
  }
  return plan;
}

Result<Met> meet(const Config& config, const Plan& plan, Time deadline) {
  const Contact& mine = config.contacts[plan.self];
  auto candidates = open_candidates(config, mine);
  if (!candidates) return tl::unexpected(candidates.error());

  fabric::Introduction self;
  self.name = mine.name;
  self.id = fabric::node_id(mine.name);
  self.incarnation = Incarnation{static_cast<std::uint64_t>(
      std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1))};
  // The digest covers all of it; the text is there to tell a person what differs.
  self.group_text = plan.text.substr(0, max_group_text_bytes);
  self.group_digest = digest(as_bytes(plan.text));
  self.host = fabric::host_identity();
  for (const auto& candidate : *candidates)
    self.fabrics.push_back({std::string(candidate->name()), candidate->address()});

  rendezvous::Options options;
  for (const Contact& contact : config.contacts)
    options.roster.push_back({contact.name, contact.address});
  options.self = self;
  options.listen = config.listen;
  options.listen_fd = config.listen_fd;
  auto rendezvous = rendezvous::open(std::move(options));
  if (!rendezvous) return tl::unexpected(rendezvous.error());

  Met met;
  std::vector<fabric::Introduction> introductions(config.contacts.size());
  introductions[plan.self] = self;
  met.contacts.resize(config.contacts.size());
  if (auto done = introduce(**rendezvous, deadline, config.contacts.size() - 1, introductions,
                            met.contacts);
      !done)
    return tl::unexpected(done.error());

  std::string chosen = config.provider;
  if (chosen == catalog::automatic) {
    auto preferred = catalog::choose(introductions);
    if (!preferred) return tl::unexpected(preferred.error());
    chosen = *preferred;
  }
  const auto fabric = std::ranges::find(*candidates, chosen, &fabric::Fabric::name);
  if (fabric == candidates->end())
    return fail(Code::unavailable, fmt::format("this member does not offer fabric {}", chosen));
  met.fabric = std::move(*fabric);
  std::size_t on_this_host = 0;
  for (Rank rank = 0; rank < introductions.size(); ++rank) {
    const fabric::Introduction& who = introductions[rank];
    on_this_host += who.host == self.host ? 1 : 0;
    const auto address = std::ranges::find(who.fabrics, chosen, &fabric::FabricAddress::provider);
    if (address == who.fabrics.end())
      return fail(Code::unavailable,
                  fmt::format("member {} does not offer fabric {}", who.name, chosen));
    met.contacts[rank].fabric_address = address->address;
  }
  met.crowded = on_this_host > fabric::usable_cores().size();
  met.view = view_of(introductions);
  met.rendezvous = std::move(*rendezvous);
  return met;
}

}  // namespace squall
