// Pauses shorter than half the timeout, of anyone and at any time, expel nobody, under full load:
// three members of the default patience send whatever they can, and are stopped at random.
//
// Runs for SQUALL_TEST_SECONDS of the environment, so that the same test is short in every run and
// long when asked for.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

Duration length() {
  const char* asked = std::getenv("SQUALL_TEST_SECONDS");
  return std::chrono::seconds(asked != nullptr ? std::atoi(asked) : 10);
}
constexpr Duration fast_timeout = 200ms;
constexpr Duration longest_pause = 95ms;
/// Between two pauses of one member.
constexpr Duration longest_gap = 400ms;
constexpr int burst = 256;

/// What a member has seen; words of its report.
struct Report {
  std::uint64_t delivered = 0;
  std::uint64_t order = 14695981039346656037u;  // a digest of who sent what, in order of delivery
  Duration longest_gap{0};  // between two of its turns, whatever kept it from turning
  std::uint64_t gaps = 0;   // those longer than half the timeout

  std::string text() const {
    return fmt::format("{} {} {} {}", delivered, order, longest_gap / 1us, gaps);
  }
};

void send_all_it_can(Line& line, const Config& config) {
  const auto node = started(config);
  Group& group = *node->group("test");
  Report report;
  std::array<std::uint64_t, 3> expected{};
  std::string wrong;
  node->on_view([&](const ViewChange& change) {
    wrong += fmt::format("a view without {}; ", fmt::join(change.gone, ", "));
  });
  group.on_deliver([&](const Delivery& message) {
    std::uint64_t number = 0;
    std::memcpy(&number, message.bytes.data(), sizeof number);
    if (number != expected.at(message.sender)++) wrong = "a message is missing, or comes twice";
    report.order = (report.order ^ (number << 2 | message.sender)) * 1099511628211u;
    ++report.delivered;
  });
  line.say("up");
  std::array<std::uint64_t, 8> message{};
  Time turned_at = Monotonic::now(), next_word = turned_at;
  while (true) {
    for (int i = 0; i < burst && group.try_send(std::as_bytes(std::span(message))); ++i)
      ++message[0];
    const bool worked = node->poll();
    const Time now = Monotonic::now();
    report.longest_gap = std::max(report.longest_gap, now - turned_at);
    report.gaps += now - turned_at > fast_timeout / 2 ? 1 : 0;
    turned_at = now;
    if (const auto error = node->stopped()) wrong += error->text();
    if (!wrong.empty()) break;
    if (now >= next_word) {
      next_word = now + 10ms;
      if (line.hear(Duration::zero()) == "enough") break;
    }
    if (!worked) node->idle(next_word);
  }
  if (wrong.empty())
    if (const auto ended = node->shutdown(Monotonic::now() + patience); !ended)
      wrong = ended.error().text();
  // How long it was kept from turning tells a fault of ours from a machine that took too long.
  expect(wrong.empty(), fmt::format("{}: {} (its longest gap between two turns: {} ms)",
                                    config.name, wrong, report.longest_gap / 1ms));
  line.say(report.text());
}

/// Stops and continues one member, at times of its own.
class Pauser {
 public:
  Pauser(Process& member, Random& random, Time now) : member_(member), random_(random) {
    due_ = now + draw(longest_gap);
  }
  Time due() const { return due_; }
  void turn(Time now) {
    if (now < due_) return;
    if (paused_at_) return go_on();
    member_.signal(SIGSTOP);
    paused_at_ = now;
    ++count_;
    due_ = now + draw(longest_pause);
  }
  void go_on() {
    if (!paused_at_) return;
    member_.signal(SIGCONT);
    const Time now = Monotonic::now();
    longest_ = std::max(longest_, now - *paused_at_);
    paused_at_.reset();
    due_ = now + draw(longest_gap);
  }
  int count() const { return count_; }
  /// From before the signal that stopped it until after the one that continued it.
  Duration longest() const { return longest_; }

 private:
  Duration draw(Duration most) {
    return Duration(random_.below(static_cast<std::uint64_t>(most.count())));
  }

  Process& member_;
  Random& random_;
  Time due_{};
  std::optional<Time> paused_at_;
  Duration longest_{0};
  int count_ = 0;
};

/// Whoever says anything meanwhile has given up: fails with what all say.
void expect_silence(std::vector<std::unique_ptr<Process>>& members) {
  for (auto& member : members) {
    auto said = member->overhear(Duration::zero());
    if (!said) continue;
    for (auto& other : members) {
      other->signal(SIGCONT);
      while (const auto more = other->overhear(1s)) *said += "\n" + *more;
    }
    FAIL(*said);
  }
}

TEST_CASE("slow_member: pauses shorter than half the timeout, under full load, expel nobody") {
  Seats seats(3, fabric_name);
  seats.each([](Config& config) { config.failure_timeout = fast_timeout; });
  auto members = start_members(seats, send_all_it_can);
  for (auto& member : members) member->expect_word("up");
  Random random(std::chrono::steady_clock::now().time_since_epoch().count());
  int pauses = 0;
  Duration longest{0};
  {
    const Time end = Monotonic::now() + length();
    std::vector<std::unique_ptr<Pauser>> pausers;
    for (auto& member : members)
      pausers.push_back(std::make_unique<Pauser>(*member, random, Monotonic::now()));
    for (Time now = Monotonic::now(); now < end; now = Monotonic::now()) {
      Time next = end;
      expect_silence(members);
      for (auto& pauser : pausers) {
        pauser->turn(now);
        next = std::min(next, pauser->due());
      }
      const Duration left = std::max(next - Monotonic::now(), Duration::zero());
      const timespec sleep{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      ppoll(nullptr, 0, &sleep, nullptr);  // until the next signal is due
    }
    for (auto& pauser : pausers) {
      pauser->go_on();
      pauses += pauser->count();
      longest = std::max(longest, pauser->longest());
    }
  }
  std::printf("%d pauses, the longest %lld ms from signal to signal\n", pauses,
              static_cast<long long>(longest / 1ms));
  for (auto& member : members) member->say("enough");
  std::optional<std::string> first;
  for (std::size_t seat = 0; seat < members.size(); ++seat) {
    const std::string report = members[seat]->hear();
    std::printf("%s: delivered, order, longest gap in us, gaps over 100 ms: %s\n",
                seats.configs[seat].name.c_str(), report.c_str());
    // The same messages in the same order, everywhere.
    const std::string same = report.substr(0, report.find(' ', report.find(' ') + 1));
    CHECK(first.value_or(same) == same);
    first = same;
  }
  for (auto& member : members) member->expect_end();
}

}  // namespace
}  // namespace squall::group_tests
