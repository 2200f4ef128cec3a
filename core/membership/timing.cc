#include "core/membership/timing.h"

#include <fmt/format.h>

#include <chrono>

namespace squall::membership {
namespace {

double ms(Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

std::string Timing::text() const {
  return fmt::format(
      "heartbeats every {} ms, suspected after {} ms of silence, delivers nothing after {} ms and "
      "stops after {} ms without a majority",
      ms(interval), ms(timeout), ms(contact()), ms(without_majority()));
}

std::optional<Timing> preset(std::string_view name) {
  if (name == "fast") return fast;
  if (name == "safe") return safe;
  return std::nullopt;
}

Result<> check(const Timing& timing) {
  if (timing.timeout <= Duration::zero() || timing.timeout > longest_timeout)
    return fail(Code::invalid,
                fmt::format("a timeout of {} ms is not between 0 and {} ms", ms(timing.timeout),
                            ms(longest_timeout)),
                "`fast` has 200 ms, `safe` 2000 ms");
  if (timing.interval <= Duration::zero())
    return fail(Code::invalid,
                fmt::format("an interval of {} ms between heartbeats is none", ms(timing.interval)),
                fmt::format("a tenth of the timeout is right: {} ms", ms(timing.timeout / 10)));
  // Not 3 * interval < timeout: that may overflow.
  if (timing.interval > (timing.timeout - Duration(1)) / 3)
    return fail(Code::invalid,
                fmt::format("three intervals of {} ms are not less than the timeout of {} ms",
                            ms(timing.interval), ms(timing.timeout)),
                fmt::format("a tenth of the timeout is right: {} ms", ms(timing.timeout / 10)));
  return {};
}

}  // namespace squall::membership
