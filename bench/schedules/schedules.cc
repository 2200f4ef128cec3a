#include "bench/schedules/schedules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <set>

#include "bench/schedules/plot.h"
#include "bench/schedules/table.h"
#include "core/multicast/bulk/cost.h"

namespace squall::bench {
namespace {

constexpr char letters[] = {'s', 'c', 't', 'p'};

Replicated run(unsigned members, const SchedulesOptions& options) {
  const Network network = options.network();
  const multicast::bulk::Cost cost{.latency = network.latency,
                                   .bytes_per_second = network.bytes_per_second};
  const Object& object = options.object;
  Replicated row{.members = members,
                 .chosen = choose(members, object.bytes, object.block_bytes, cost)};
  for (std::size_t i = 0; i < all_schedules.size(); ++i) {
    row.took[i] = replication_time(all_schedules[i], members, object, network);
    row.estimated[i] = estimate(all_schedules[i], members, object.bytes, object.block_bytes, cost);
  }
  return row;
}

Plot plot_of(const SchedulesOptions& options, const std::vector<Replicated>& rows) {
  Plot plot{.title = title_of(options), .x_name = "members", .curves = {}};
  for (std::size_t i = 0; i < all_schedules.size(); ++i) {
    Curve curve{.name = in_words(all_schedules[i]), .letter = letters[i], .points = {}};
    for (const Replicated& row : rows)
      curve.points.push_back({static_cast<double>(row.members),
                              std::chrono::duration<double>(std::max(row.took[i], 1ns)).count()});
    plot.curves.push_back(std::move(curve));
  }
  return plot;
}

int wrong(const Error& error) {
  fmt::print(stderr, "squall bench schedules: {}\n", error.text());
  return 2;
}

int not_written(const std::string& file) {
  return wrong(
      fail_errno(fmt::format("cannot write {}", file), errno, "name another file with --svg")
          .value());
}

}  // namespace

int compare_schedules(const SchedulesOptions& options) {
  if (const auto checked = check(options); !checked) return wrong(checked.error());
  std::ofstream svg;
  if (!options.svg.empty()) {
    svg.open(options.svg);
    if (!svg) return not_written(options.svg);
  }
  std::vector<Replicated> rows;
  for (const unsigned members : std::set<unsigned>(options.members.begin(), options.members.end()))
    rows.push_back(run(members, options));
  if (options.json)
    fmt::print("{}", as_json(options, rows));
  else
    fmt::print("{}", as_table(options, rows));
  if (options.svg.empty()) {
    if (!options.json) fmt::print("\n{}", in_terminal(plot_of(options, rows)));
    return 0;
  }
  svg << as_svg(plot_of(options, rows)) << std::flush;
  if (!svg) return not_written(options.svg);
  if (!options.json) fmt::print("\nplot in {}\n", options.svg);
  return 0;
}

}  // namespace squall::bench
