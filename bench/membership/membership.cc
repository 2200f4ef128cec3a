#include "bench/membership/membership.h"

#include <fmt/format.h>

#include <cstdio>

#include "bench/launch/crew.h"
#include "bench/launch/interrupt.h"
#include "bench/membership/report.h"
#include "bench/membership/round.h"
#include "core/base/random.h"
#include "core/membership/timing.h"

namespace squall::bench {

int measure_membership(const MembershipOptions& options) {
  catch_interrupts();
  const Duration interval = membership::Timing::with_timeout(options.timeout()).interval;
  Random random(1);
  Tally tally;
  for (unsigned number = 0; number < options.count; ++number) {
    const unsigned victim = victim_of(options.event, number, options.members);
    // Anywhere between two heartbeats.
    const Duration wait(random.below(static_cast<std::uint64_t>(interval.count())));
    const auto round = run_round(options, victim, wait);
    if (!round) {
      fmt::print(stderr, "squall: {}\n", round.error().text());
      return 1;
    }
    tally.fabric = round->fabric;
    tally.timing = round->timing;
    if (round->outcome) {
      tally.outcomes.push_back(*round->outcome);
    } else {
      ++tally.failed;
      fmt::print(stderr, "squall: event {} ({}): {}\n", number + 1, member_name(victim),
                 round->outcome.error().text());
    }
  }
  fmt::print("{}", options.json ? as_json(options, tally) + "\n" : for_people(options, tally));
  return tally.failed == 0 ? 0 : 1;
}

}  // namespace squall::bench
