#include "groups/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/rank_set.h"
#include "core/base/ring_math.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/change.h"
#include "core/mirror/frame.h"
#include "groups/stack/stack.h"

namespace squall {
namespace {

constexpr std::size_t max_groups = 1024;

/// Every name must be one of the contacts, and none comes twice.
Result<std::vector<NodeId>> senders_of(const Config& config, const GroupConfig& group) {
  std::vector<NodeId> senders;
  for (const std::string& name : group.senders) {
    if (config.start == Start::together &&
        std::ranges::find(config.contacts, name, &Contact::name) == config.contacts.end())
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

struct Placed {
  membership::Layout layout;
  std::string text;  ///< for members to compare; of a group on everyone, nothing
  bool everyone = false;
};

/// On whom a group is: one of the ways to say so, or none.
Result<Placed> layout_of(const GroupConfig& group) {
  const bool by_count = group.replicas != 0;
  if ((!group.members.empty() ? 1 : 0) + (by_count ? 1 : 0) + (group.layout ? 1 : 0) > 1)
    return fail(Code::invalid, "it is placed in more than one way",
                "say one of: members; shards and replicas; a layout in code");
  if (group.shards != 0 && !by_count && !group.layout)
    return fail(Code::invalid, fmt::format("{} shards of how many members?", group.shards),
                "set replicas, too");
  if (group.layout)
    return Placed{
        group.layout,
        fmt::format(", {} shards by the application", std::max<std::size_t>(group.shards, 1)),
        false};
  if (by_count) {
    const std::size_t shards = std::max<std::size_t>(group.shards, 1);
    return Placed{membership::sharded(shards, group.replicas),
                  fmt::format(", {} shards of {}", shards, group.replicas), false};
  }
  if (!group.members.empty())
    return Placed{membership::named(group.members),
                  fmt::format(", on {}", fmt::join(group.members, " ")), false};
  return Placed{membership::everyone(), "", true};
}

multicast::bulk::Settings bulk_of(const GroupConfig& group) {
  using Kind = multicast::bulk::Kind;
  multicast::bulk::Settings settings;
  switch (group.schedule) {
    case Schedule::automatic:
      break;
    case Schedule::sequential:
      settings.schedule = Kind::sequential;
      break;
    case Schedule::chain:
      settings.schedule = Kind::chain;
      break;
    case Schedule::binomial_tree:
      settings.schedule = Kind::binomial_tree;
      break;
    case Schedule::binomial_pipeline:
      settings.schedule = Kind::binomial_pipeline;
      break;
  }
  settings.block_bytes = static_cast<std::uint32_t>(group.block_bytes);
  settings.most_bytes = group.large_memory;
  settings.window_bytes = std::max(settings.window_bytes, group.block_bytes);
  return settings;
}

/// Adds the group, and what all members must agree on about it.
Result<> plan_group(const Config& config, const GroupConfig& group, Plan& plan) {
  const auto wrong = [&](const Error& error) {
    return fail(error.code, fmt::format("group.{}: {}", group.name, error.what), error.remedy);
  };
  auto stack = Stack::parse(group.stack);
  if (!stack) return wrong(stack.error());
  if (!is_power_of_two(group.ring_bytes) || group.ring_bytes < mirror::min_ring_bytes ||
      group.ring_bytes > mirror::max_ring_bytes)
    return fail(Code::invalid,
                fmt::format("group.{}.ring_bytes is {}", group.name, group.ring_bytes),
                fmt::format("a power of two from {} to {}", mirror::min_ring_bytes,
                            mirror::max_ring_bytes));
  auto senders = senders_of(config, group);
  if (!senders) return tl::unexpected(senders.error());
  auto placed = layout_of(group);
  if (!placed) return wrong(placed.error());
  auto parts = stack->prepare();
  if (!parts) return wrong(parts.error());
  plan.layout += fmt::format(
      "group.{}: stack {}, senders {}, ring_bytes {}{}\n", group.name, stack->shared_text(),
      group.senders.empty() ? "all" : fmt::format("{}", fmt::join(group.senders, " ")),
      group.ring_bytes, placed->text);
  const multicast::bulk::Settings bulk = bulk_of(group);
  plan.layout += fmt::format("group.{}: large_memory {}, block_bytes {}, schedule {}\n", group.name,
                             group.large_memory, group.block_bytes,
                             bulk.schedule ? multicast::bulk::name(*bulk.schedule) : "auto");
  const std::size_t first = plan.channels.size();
  const std::size_t shards = std::max<std::size_t>(group.shards, 1);
  for (std::size_t shard = 0; shard < shards; ++shard)
    plan.channels.push_back({group.name, *senders, group.senders.empty(), group.ring_bytes,
                             parts->stages, parts->codecs, bulk, group.large_memory, first});
  plan.everyone_everywhere = plan.everyone_everywhere && placed->everyone;
  plan.groups.push_back({group.name, first, shards, std::move(placed->layout),
                         std::move(parts->codecs), stack->provides(), group.large_memory});
  return {};
}

}  // namespace

void seat(const std::vector<GroupPlan>& groups, const View* before, View& next) {
  std::size_t channels = 0;
  for (const GroupPlan& group : groups) channels += group.shards;
  next.seating.resize(channels);
  for (const GroupPlan& group : groups)
    static_cast<void>(membership::seat(group.layout, group.first, group.shards, before, next));
}

std::string missing(const GroupPlan& group, const View& view) {
  View probe = view;
  probe.id = ViewId{raw(view.id) + 1};
  if (view.seating.empty()) probe.seating.resize(group.first + group.shards);
  const auto fine = membership::seat(group.layout, group.first, group.shards, &view, probe);
  return fine ? std::string() : fine.error().what;
}

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
  const bool listed = mine != config.contacts.end();
  if (!listed && config.start == Start::together)
    return fail(Code::invalid,
                fmt::format("node.name is \"{}\", which is none of the contacts", config.name),
                "give this node the name of one of them");
  Plan plan;
  if (config.name.empty())
    return fail(Code::invalid, "node.name is empty", "give this node a name of its own");
  if (listed) plan.self = static_cast<Rank>(mine - config.contacts.begin());
  std::string roster;
  for (const Contact& contact : config.contacts)
    roster += fmt::format("member {} at {}\n", contact.name, contact.address);
  plan.layout += fmt::format("fabric {}\n", config.provider);
  plan.layout += fmt::format("failure_timeout {} ms, losses are {}\n",
                             config.failure_timeout / std::chrono::milliseconds(1),
                             config.survive_losses ? "survived" : "fatal");
  for (const GroupConfig& group : config.groups) {
    for (const auto& other : plan.groups)
      if (other.name == group.name)
        return fail(Code::invalid, fmt::format("two groups are called \"{}\"", group.name));
    if (auto planned = plan_group(config, group, plan); !planned)
      return tl::unexpected(planned.error());
  }
  if (plan.channels.size() > membership::ChangeLimits::channels)
    return fail(Code::too_large, fmt::format("{} groups and shards", plan.channels.size()),
                fmt::format("at most {}", membership::ChangeLimits::channels));
  plan.text = roster + plan.layout;
  return plan;
}

}  // namespace squall
