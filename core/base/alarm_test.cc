#include "core/base/alarm.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace squall {
namespace {

using namespace std::chrono_literals;

bool rings(const Alarm& alarm, Duration within) {
  pollfd look{alarm.fd(), POLLIN, 0};
  return poll(&look, 1, static_cast<int>(within / 1ms)) == 1;
}

TEST_CASE("an alarm rings when one of its descriptors is readable, and as long as it is") {
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  {
    auto alarm = Alarm::over({-1, event});
    REQUIRE(alarm);
    CHECK(!rings(*alarm, 0ms));
    const std::uint64_t one = 1;
    REQUIRE(write(event, &one, sizeof one) == sizeof one);
    CHECK(rings(*alarm, 0ms));
    CHECK(rings(*alarm, 0ms));
    std::uint64_t count = 0;
    REQUIRE(read(event, &count, sizeof count) == sizeof count);
    CHECK(!rings(*alarm, 0ms));
  }
  close(event);
}

TEST_CASE("an alarm rings when its time has come, and not when another one was set") {
  auto alarm = Alarm::over({});
  REQUIRE(alarm);
  const Time begin = Monotonic::now();
  alarm->set(begin + 20ms);
  CHECK(rings(*alarm, 10s));
  CHECK(Monotonic::now() >= begin + 20ms);
  alarm->set(begin + 1h);
  CHECK(!rings(*alarm, 0ms));
  alarm->set(Time{});
  CHECK(rings(*alarm, 10s));
  alarm->set(never);
  CHECK(!rings(*alarm, 30ms));
}

TEST_CASE("a descriptor that cannot be watched is no alarm") {
  CHECK(!Alarm::over({1'000'000}));
}

}  // namespace
}  // namespace squall
