// Groups with nothing to do: they cost next to no CPU, and wake at once when a message comes.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

constexpr int rounds = 200;
/// A wake-up that is missed costs what a sleep may last, 100 ms. Where a fabric cannot wait, no
/// wake-up exists: there a message passes through three naps of up to 10 ms.
constexpr Duration prompt = 50ms;
constexpr Duration prompt_with_naps = 90ms;
constexpr Duration quiet = std::chrono::seconds(2);
constexpr double most_percent = 2;

enum class Mode { idle, embedder, thread };

Duration cpu_used() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

/// One step of a member's loop, which ends by `until` at the latest.
void step(Node& node, Mode mode, Time until) {
  if (mode == Mode::thread) {
    usleep(500);  // sleep-ok: the node has a thread of its own; this one looks now and then
  } else if (node.poll()) {
    return;
  } else if (mode == Mode::idle) {
    node.idle(until);
  } else if (node.arm()) {
    const auto left = std::max(until - Monotonic::now(), Duration::zero());
    pollfd ready{node.fd(), POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(left / std::chrono::milliseconds(1)) + 1);
  }
}

/// Rests, reports the CPU it took; then rank 0 sends now and then, and all report the longest way.
void rest_and_wake(Line& line, const Config& config, Mode mode) {
  const auto node = started(config);
  Group& group = *node->group("test");
  std::atomic<int> delivered{0};
  std::atomic<std::int64_t> longest{0};
  group.on_deliver([&](const Delivery& message) {
    std::int64_t sent = 0;
    std::copy_n(message.bytes.data(), sizeof sent, reinterpret_cast<std::byte*>(&sent));
    longest = std::max(longest.load(), Monotonic::now().time_since_epoch().count() - sent);
    ++delivered;
  });
  const auto turn_for = [&](Duration span) {
    const Time until = Monotonic::now() + span;
    while (Monotonic::now() < until) {
      // A thread of its own needs no help: only this thread must not count.
      if (mode == Mode::thread)
        usleep(static_cast<useconds_t>(span / std::chrono::microseconds(1)));  // sleep-ok: a rest
      else
        step(*node, mode, until);
    }
  };
  turn_for(std::chrono::milliseconds(100));
  const Duration before = cpu_used();
  turn_for(quiet);
  line.say(fmt::format("{}", (cpu_used() - before).count()));
  // Nobody sends before all have measured.
  while (!line.hear(Duration::zero())) step(*node, mode, Monotonic::now() + 5ms);

  const Time limit = Monotonic::now() + patience;
  for (int round = 0; round < rounds; ++round) {
    if (node->rank() == 0) {
      turn_for(3ms);  // long enough to be asleep again, everywhere
      const std::int64_t now = Monotonic::now().time_since_epoch().count();
      const auto sent = group.try_send(std::as_bytes(std::span(&now, 1)));
      expect(sent.has_value(), sent ? "" : sent.error().text());
    }
    while (delivered <= round) {
      expect(Monotonic::now() < limit, "a message does not come");
      step(*node, mode, limit);
    }
  }
  line.say(fmt::format("{}", longest.load()));
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : left.error().text());
}

void rest(const std::string& fabric, Mode mode) {
  CAPTURE(fabric);
  Seats seats(3, fabric);
  seats.each([&](Config& config) { config.engine_thread = mode == Mode::thread; });
  auto members = start_members(
      seats, [&](Line& line, const Config& config) { rest_and_wake(line, config, mode); });
  for (auto& member : members) {
    const double share = 100.0 * std::stod(member->hear()) / static_cast<double>(quiet.count());
    CHECK(share < most_percent);
  }
  for (auto& member : members) member->say("wake");
  const Duration bound = fabric.starts_with("ofi:") ? prompt_with_naps : prompt;
  for (auto& member : members) CHECK(Duration(std::stoll(member->hear())) < bound);
  for (auto& member : members) member->expect_end();
}

TEST_CASE("sleeping_peer_misses_its_wake_up: polled nodes rest, and wake at once") {
  for (const char* fabric : {"shm", "tcp", "ofi:tcp;ofi_rxm"}) rest(fabric, Mode::idle);
}

TEST_CASE("sleeping_peer_misses_its_wake_up: embedders on fd() rest, and wake at once") {
  for (const char* fabric : {"shm", "tcp", "ofi:tcp;ofi_rxm"}) rest(fabric, Mode::embedder);
}

TEST_CASE("sleeping_peer_misses_its_wake_up: engine threads rest, and wake at once") {
  for (const char* fabric : {"shm", "tcp", "ofi:tcp;ofi_rxm"}) rest(fabric, Mode::thread);
}

}  // namespace
}  // namespace squall::group_tests
