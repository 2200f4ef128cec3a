#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "bench/schedules/plot.h"

namespace squall::bench {
namespace {

constexpr std::array<double, 3> steps{1, 2, 5};
/// With more decades than this, only they are ticks.
constexpr double few_decades = 3.5;
/// Of a value that is a tick but for the last digits.
constexpr double nearly = 1e-9;

}  // namespace

double Axis::place(double value) const {
  return std::log(value / least) / std::log(most / least);
}

Axis decades(double least, double most) {
  Axis axis;
  std::vector<double> all;
  for (int decade = static_cast<int>(std::floor(std::log10(least))) - 1;
       all.empty() || all.back() < most * (1 - nearly); ++decade)
    for (const double step : steps) all.push_back(step * std::pow(10, decade));
  const auto from = std::prev(std::ranges::upper_bound(all, least * (1 + nearly)));
  auto to = std::ranges::lower_bound(all, most * (1 - nearly));
  if (to == from) ++to;
  axis.least = *from;
  axis.most = *to;
  const bool few = std::log10(axis.most / axis.least) < few_decades;
  for (auto tick = from; tick <= to; ++tick)
    if (few || (tick - all.begin()) % static_cast<int>(steps.size()) == 0)
      axis.ticks.push_back(*tick);
  return axis;
}

Axes axes_of(const Plot& plot) {
  Axes axes;
  std::vector<double> times;
  for (const Curve& curve : plot.curves)
    for (const Point& point : curve.points) {
      axes.x.ticks.push_back(point.x);
      times.push_back(point.y);
    }
  std::ranges::sort(axes.x.ticks);
  const auto repeated = std::ranges::unique(axes.x.ticks);
  axes.x.ticks.erase(repeated.begin(), repeated.end());
  axes.x.least = axes.x.ticks.front();
  // A single x lies at the begin of an axis that goes on.
  axes.x.most = axes.x.ticks.size() > 1 ? axes.x.ticks.back() : 2 * axes.x.least;
  axes.y = decades(*std::ranges::min_element(times), *std::ranges::max_element(times));
  return axes;
}

std::string in_time(double seconds) {
  constexpr std::pair<double, std::string_view> units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}};
  for (const auto& [size, unit] : units)
    if (seconds >= size * (1 - nearly)) return fmt::format("{:.3g} {}", seconds / size, unit);
  return fmt::format("{:.3g} ns", seconds / 1e-9);
}

}  // namespace squall::bench
