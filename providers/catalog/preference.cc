#include "providers/catalog/preference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/fabric/rendezvous_wire.h"

namespace squall::catalog {
namespace {

using fabric::Introduction;

constexpr std::array<std::string_view, 3> best_first{"shm", "verbs", "tcp"};

bool has(const Introduction& member, std::string_view provider) {
  return std::ranges::any_of(member.fabrics,
                             [&](const auto& fabric) { return fabric.provider == provider; });
}

bool on_one_host(std::span<const Introduction> members) {
  return std::ranges::all_of(members, [&](const Introduction& member) {
    return !member.host.empty() && member.host == members.front().host;
  });
}

std::string inventory(std::span<const Introduction> members) {
  std::string list;
  for (const Introduction& member : members) {
    list += fmt::format("{}{} has ", list.empty() ? "" : "; ", member.name);
    std::string fabrics;
    for (const auto& fabric : member.fabrics)
      fabrics += (fabrics.empty() ? "" : ", ") +
                 fabric::printable(fabric.provider, fabric::Limits::provider_bytes);
    list += fabrics.empty() ? "none" : fabrics;
  }
  return list;
}

}  // namespace

std::vector<std::string> preference(std::span<const Introduction> members) {
  std::vector<std::string> order;
  if (members.empty()) return order;
  const auto consider = [&](std::string_view provider) {
    if (provider == "shm" && !on_one_host(members)) return;
    if (std::ranges::find(order, provider) != order.end()) return;
    if (std::ranges::all_of(members, [&](const auto& member) { return has(member, provider); }))
      order.emplace_back(provider);
  };
  for (const std::string_view provider : best_first) consider(provider);
  for (const auto& fabric : members.front().fabrics) consider(fabric.provider);
  return order;
}

Result<std::string> choose(std::span<const Introduction> members) {
  const auto order = preference(members);
  if (!order.empty()) return order.front();
  const bool shm = !members.empty() && std::ranges::all_of(members, [](const auto& member) {
    return has(member, "shm");
  });
  if (shm)
    return fail(Code::unavailable,
                "shm joins members of one host, network namespace and user, and these are not",
                "set fabric.provider to tcp, or to auto");
  return fail(Code::unavailable, "no fabric serves all members: " + inventory(members),
              "give every member the same fabric.provider");
}

}  // namespace squall::catalog
