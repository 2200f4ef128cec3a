#include "providers/catalog/preference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/fabric/rendezvous_wire.h"
#include "providers/catalog/names.h"

namespace squall::catalog {
namespace {

using fabric::Introduction;

constexpr std::array<std::string_view, 4> best_first{"shm", automatic, "verbs", "tcp"};

bool has(const Introduction& member, std::string_view provider) {
  return std::ranges::any_of(member.fabrics,
                             [&](const auto& fabric) { return fabric.provider == provider; });
}

bool on_one_host(std::span<const Introduction> members) {
  return std::ranges::all_of(members, [&](const Introduction& member) {
    return !member.host.empty() && member.host == members.front().host;
  });
}

/// What two members have in common.
std::size_t links(const Introduction& one, const Introduction& other) {
  return static_cast<std::size_t>(std::ranges::count_if(one.fabrics, [&](const auto& fabric) {
    if (fabric.provider == automatic || !has(other, fabric.provider)) return false;
    const std::array pair{one, other};
    return fabric.provider != "shm" || on_one_host(pair);
  }));
}

/// Every pair has a fabric, and not all of them only the same one.
bool mixing_helps(std::span<const Introduction> members) {
  bool helps = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!has(members[i], automatic)) return false;
    for (std::size_t j = 0; j < i; ++j) {
      const std::size_t common = links(members[i], members[j]);
      if (common == 0) return false;
      helps |= common > 1;
    }
  }
  return helps;
}

std::string inventory(std::span<const Introduction> members) {
  std::string list;
  for (const Introduction& member : members) {
    list += fmt::format("{}{} has ", list.empty() ? "" : "; ", member.name);
    std::string fabrics;
    for (const auto& fabric : member.fabrics)
      if (fabric.provider != automatic)
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
    if (provider == automatic && !mixing_helps(members)) return;
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
