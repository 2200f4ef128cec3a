#include "groups/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/rank_set.h"
#include "core/base/ring_math.h"
#include "core/fabric/rendezvous.h"
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
  auto parts = stack->prepare();
  if (!parts)
    return fail(parts.error().code, fmt::format("group.{}: {}", group.name, parts.error().what),
                parts.error().remedy);
  text += fmt::format(
      "group.{}: stack {}, senders {}, ring_bytes {}\n", group.name, stack->shared_text(),
      group.senders.empty() ? "all" : fmt::format("{}", fmt::join(group.senders, " ")),
      group.ring_bytes);
  return engine::ChannelPlan{group.name,       std::move(*senders),      group.senders.empty(),
                             group.ring_bytes, std::move(parts->stages), std::move(parts->codecs)};
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
    for (const auto& other : plan.channels)
      if (other.name == group.name)
        return fail(Code::invalid, fmt::format("two groups are called \"{}\"", group.name));
    auto channel = plan_channel(config, group, plan.layout);
    if (!channel) return tl::unexpected(channel.error());
    plan.channels.push_back(std::move(*channel));
  }
  plan.text = roster + plan.layout;
  return plan;
}

}  // namespace squall
