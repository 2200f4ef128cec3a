#pragma once
// Times of all schedules, for people and for programs. Pure.

#include <array>
#include <string>
#include <vector>

#include "bench/schedules/settings.h"
#include "core/base/time.h"
#include "core/multicast/bulk/schedule.h"

namespace squall::bench {

/// In the order of the columns.
inline constexpr std::array<multicast::bulk::Kind, 4> all_schedules{
    multicast::bulk::Kind::sequential, multicast::bulk::Kind::chain,
    multicast::bulk::Kind::binomial_tree, multicast::bulk::Kind::binomial_pipeline};

/// "binomial pipeline".
std::string in_words(multicast::bulk::Kind kind);

struct Replicated {
  multicast::bulk::Place members = 0;
  std::array<Duration, all_schedules.size()> took{};
  std::array<Duration, all_schedules.size()> estimated{};  ///< by the cost model
  multicast::bulk::Kind chosen{};                          ///< by it
};

/// A heading and a line for each number of members, in milliseconds.
std::string as_table(const SchedulesOptions& options, const std::vector<Replicated>& rows);

/// One line of JSON for each schedule and number of members.
std::string as_json(const SchedulesOptions& options, const std::vector<Replicated>& rows);

}  // namespace squall::bench
