#include "bench/membership/lull.h"

#include <doctest/doctest.h>

namespace squall::bench {
namespace {

Time ms(int at) {
  return Time{} + std::chrono::milliseconds(1000 + at);
}

TEST_CASE("the longest gap counts where it reaches into the span, and not elsewhere") {
  Lull lull;
  for (const int at : {0, 1, 2, 9, 10, 11, 15, 16}) lull.delivered(ms(at), false);
  CHECK(lull.between(ms(0), ms(16)).gap == 7ms);
  CHECK(lull.between(ms(5), ms(6)).gap == 7ms);
  CHECK(lull.between(ms(10), ms(16)).gap == 4ms);
  CHECK(lull.between(ms(16), ms(20)).gap == 1ms);
  CHECK(lull.between(ms(17), ms(20)).gap == 0ms);
}

TEST_CASE("a message is slow where it is delivered") {
  Lull lull;
  lull.sent(ms(0));
  lull.sent(ms(1));
  lull.delivered(ms(2), true);
  lull.delivered(ms(3), false);
  lull.delivered(ms(9), true);
  CHECK(lull.between(ms(0), ms(5)).slowest == 2ms);
  CHECK(lull.between(ms(0), ms(9)).slowest == 8ms);
}

TEST_CASE("what is normal lies before what is around a change, and is as long") {
  Lull lull;
  for (int at = 0; at <= 90; at += 5) lull.delivered(ms(at), false);
  for (int at = 120; at <= 200; at += 1) lull.delivered(ms(at), false);
  CHECK(lull.before_change(ms(140)).gap == 5ms);
  CHECK(lull.at_change(ms(140)).gap == 30ms);
}

}  // namespace
}  // namespace squall::bench
