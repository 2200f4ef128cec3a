#include "bench/cost/fit.h"

#include <algorithm>
#include <cmath>

namespace squall::bench {
namespace {

constexpr const char* less_busy = "measure again, for longer, on a machine that is less busy";

}  // namespace

Result<Line> fit(std::span<const Trip> trips) {
  // Weighted least squares (normal equations of two unknowns) with weights of 1 / seconds^2.
  double weights = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Trip& trip : trips) {
    if (!std::isfinite(trip.seconds) || trip.seconds <= 0)
      return fail(Code::invalid, "a trip that took no time, or for ever", less_busy);
    const double weight = 1 / (trip.seconds * trip.seconds);
    const auto bytes = static_cast<double>(trip.bytes);
    weights += weight;
    x += weight * bytes;
    y += weight * trip.seconds;
    xx += weight * bytes * bytes;
    xy += weight * bytes * trip.seconds;
  }
  const auto [least, most] = std::ranges::minmax_element(trips, {}, &Trip::bytes);
  if (trips.empty() || least->bytes == most->bytes)
    return fail(Code::invalid, "a line needs trips of two lengths");
  double slope = (weights * xy - x * y) / (weights * xx - x * x);
  double latency = (y - slope * x) / weights;
  if (latency < 0) {
    latency = 0;
    slope = xy / xx;
  }
  if (!(slope > 0)) return fail(Code::invalid, "more bytes took no longer", less_busy);
  Line line{.latency_s = latency, .bytes_per_second = 1 / slope};
  for (const Trip& trip : trips)
    line.worst =
        std::max(line.worst, std::abs(line.seconds(trip.bytes) - trip.seconds) / trip.seconds);
  return line;
}

}  // namespace squall::bench
