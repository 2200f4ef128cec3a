#include "core/engine/pace.h"

#include <doctest/doctest.h>

namespace squall::engine {
namespace {

/// `waiting` messages, each of which takes the application `cost`.
struct Application {
  Duration cost;
  std::size_t waiting;
  Time now{1h};
  std::size_t looks = 0;
  Pace pace{[this] {
              ++looks;
              return now;
            },
            10ms};

  std::size_t turn(std::size_t most = 8192) {
    return pace.run(now, most, [this](std::size_t limit) {
      const std::size_t count = std::min(limit, waiting);
      waiting -= count;
      now += cost * static_cast<Duration::rep>(count);
      return count;
    });
  }
};

TEST_CASE("short upcalls all come in one turn, with a look at the clock now and then") {
  Application application{100ns, 8192};
  CHECK(application.turn() == 8192);
  CHECK(application.looks < 8192 / 64);
  CHECK(application.turn() == 0);
}

TEST_CASE("no more than asked for") {
  Application application{100ns, 1000};
  CHECK(application.turn(300) == 300);
  CHECK(application.waiting == 700);
}

TEST_CASE("long upcalls are spread over turns, each of about the budget") {
  for (const Duration cost : {Duration(50us), Duration(1ms), Duration(8ms), Duration(30ms)}) {
    CAPTURE(cost.count());
    Application application{cost, 2000};
    application.turn(), application.turn();  // it does not know them yet
    while (application.waiting > 0) {
      const Time before = application.now;
      CHECK(application.turn() > 0);
      CHECK(application.now - before < 10ms + std::max(cost, Duration(5ms)) + 1ns);
    }
  }
}

TEST_CASE("upcalls that become long are noticed within one slice, and forgotten when they pass") {
  Application application{100ns, 100'000};
  application.turn();
  const std::size_t usual = application.pace.slice();
  application.cost = 1ms;
  CHECK(application.turn() <= usual);
  CHECK(application.turn() <= usual / 2);
  application.cost = 100ns;
  application.turn();
  CHECK(application.pace.slice() == usual);
}

TEST_CASE("without a clock, only the number counts") {
  Pace pace;
  std::size_t calls = 0;
  CHECK(pace.run(Time{1h}, 8192, [&](std::size_t limit) {
    ++calls;
    return limit;
  }) == 8192);
  CHECK(calls == 1);
}

}  // namespace
}  // namespace squall::engine
