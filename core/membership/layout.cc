#include "core/membership/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/assert.h"
#include "core/base/rank_set.h"

namespace squall::membership {
namespace {

std::vector<Rank> all_of(const View& view) {
  std::vector<Rank> ranks(view.size());
  std::iota(ranks.begin(), ranks.end(), Rank{0});
  return ranks;
}

/// Those of `before` that are in `next`, by their ranks there.
std::vector<Rank> still_there(const View& before, const std::vector<Rank>& members,
                              const View& next) {
  std::vector<Rank> ranks;
  for (const Rank rank : members) {
    const Member& member = before.members[rank];
    const auto now = next.rank_of(member.id);
    if (now && next.members[*now].incarnation == member.incarnation) ranks.push_back(*now);
  }
  return ranks;
}

/// Why these cannot be the shards of a view; empty if they can.
std::string misfit(const Shards& shards, std::size_t expected, const View& view) {
  if (shards.size() != expected)
    return fmt::format("the layout gives {} shards, not {}", shards.size(), expected);
  RankSet seen;
  for (const auto& shard : shards) {
    for (const Rank rank : shard) {
      if (rank >= view.size())
        return fmt::format("the layout seats rank {} of {}", rank, view.size());
      if (seen.contains(rank))
        return fmt::format("the layout seats {} twice", view.members[rank].name);
      seen.insert(rank);
    }
  }
  return {};
}

}  // namespace

Layout everyone() {
  return [](const View& view, const Shards&) -> Result<Shards> { return Shards{all_of(view)}; };
}

Layout named(std::vector<std::string> names) {
  return [names = std::move(names)](const View& view, const Shards&) -> Result<Shards> {
    std::vector<Rank> ranks;
    for (const std::string& name : names) {
      const auto member = std::ranges::find(view.members, name, &Member::name);
      if (member != view.members.end())
        ranks.push_back(static_cast<Rank>(member - view.members.begin()));
    }
    if (ranks.empty())
      return fail(Code::unavailable,
                  fmt::format("none of its members is there: {}", fmt::join(names, ", ")),
                  "start one of them");
    return Shards{std::move(ranks)};
  };
}

Layout sharded(std::size_t shards, std::size_t replicas) {
  return [shards, replicas](const View& view, const Shards& before) -> Result<Shards> {
    Shards seats = before;
    seats.resize(shards);
    RankSet taken;
    for (const auto& shard : seats)
      for (const Rank rank : shard) taken.insert(rank);
    const bool begun = !taken.empty();
    if (!begun && view.size() < shards * replicas)
      return fail(Code::unavailable,
                  fmt::format("{} {} members, and there {} {}",
                              shards == 1 ? std::string("it needs")
                                          : fmt::format("{} shards of {} need", shards, replicas),
                              shards * replicas, view.size() == 1 ? "is" : "are", view.size()),
                  "start more members");
    for (Rank rank = 0; rank < view.size(); ++rank) {
      if (taken.contains(rank)) continue;
      auto& poorest = *std::ranges::min_element(seats, {}, &std::vector<Rank>::size);
      if (poorest.size() >= replicas) break;
      poorest.push_back(rank);
    }
    return seats;
  };
}

Result<> seat(const Layout& layout, std::size_t first, std::size_t shards, const View* before,
              View& next) {
  SQUALL_ASSERT(first + shards <= next.seating.size(), "a channel for every shard");
  Shards were(shards);
  for (std::size_t shard = 0; before != nullptr && shard < shards; ++shard) {
    // Everyone was in every channel of a view that does not say.
    const std::size_t channel = first + shard;
    were[shard] = still_there(
        *before, before->seating.empty() ? all_of(*before) : before->seating[channel].members,
        next);
  }
  auto seats = layout(next, were);
  Result<> fine = seats ? Result<>() : tl::unexpected(seats.error());
  if (seats) {
    if (std::string why = misfit(*seats, shards, next); !why.empty()) {
      fine = fail(Code::invalid, std::move(why), "mend the layout");
      *seats = were;
    }
  }
  const Shards& to = seats ? *seats : were;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    Seating& seating = next.seating[first + shard];
    seating.members = to[shard];
    const bool somebody_stays = std::ranges::any_of(were[shard], [&](Rank rank) {
      return std::ranges::find(seating.members, rank) != seating.members.end();
    });
    seating.since = !somebody_stays           ? next.id
                    : before->seating.empty() ? ViewId{1}
                                              : before->seating[first + shard].since;
  }
  return fine;
}

}  // namespace squall::membership
