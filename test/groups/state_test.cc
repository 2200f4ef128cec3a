// State that passes to joiners, in groups of processes: what a joiner ends with is what everybody
// has, however large, and whoever dies on the way.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/digest.h"
#include "core/base/time.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// What members replicate: a log of digests of everything delivered, behind ballast that makes the
/// state as large as a test wants it. The ballast is never copied: on a small machine its pages are
/// what takes most of the time.
struct Log {
  std::shared_ptr<const std::vector<std::byte>> ballast =
      std::make_shared<std::vector<std::byte>>();
  std::vector<std::uint64_t> entries;

  void take(const Delivery& message) {
    const std::uint64_t last = entries.empty() ? 0 : entries.back();
    entries.push_back(digest(message.bytes) * 31 + last + message.position);
  }
  StateSource save() const {
    return [ballast = ballast, entries = entries, at = std::size_t{0}](MutableBytes to) mutable {
      const bool in_ballast = at < ballast->size();
      const Bytes left = in_ballast
                             ? Bytes(*ballast).subspan(at)
                             : std::as_bytes(std::span(entries)).subspan(at - ballast->size());
      const std::size_t count = std::min(to.size(), left.size());
      std::copy_n(left.data(), count, to.data());
      at += count;
      return Result<std::size_t>(count);
    };
  }
  void load(std::vector<std::byte> all, std::size_t ballast_bytes) {
    expect(all.size() >= ballast_bytes && (all.size() - ballast_bytes) % 8 == 0, "a whole state");
    entries.resize((all.size() - ballast_bytes) / 8);
    std::memcpy(entries.data(), all.data() + ballast_bytes, all.size() - ballast_bytes);
    all.resize(ballast_bytes);
    ballast = std::make_shared<std::vector<std::byte>>(std::move(all));
  }
  std::string told() const {
    Digest all;
    all.update(*ballast).update(std::as_bytes(std::span(entries)));
    return fmt::format("{} {}", entries.size(), to_hex(all.value()));
  }
};

/// Waits for "go"; sends steadily; says "in" when it has started, "arrived" when it has everything,
/// "loading" with the first piece of a state; on "enough" shuts down with everyone and says a
/// digest of its log.
void replicate(Line& line, const Config& config, std::size_t ballast_bytes) {
  expect(line.hear(patience) == "go", "the test says when to begin");
  auto node = started(config);
  Group& group = *node->group("test");
  Log log;
  if (node->arrived())
    log.ballast = std::make_shared<std::vector<std::byte>>(payload(0, 0, ballast_bytes));
  std::vector<std::byte> incoming;
  incoming.reserve(node->arrived() ? 0 : 2 * ballast_bytes);
  bool loading = false, told = false;
  group.on_state({[&] { return log.save(); },
                  [&](Bytes piece, bool last) {
                    if (!std::exchange(loading, true)) line.say("loading");
                    incoming.insert(incoming.end(), piece.begin(), piece.end());
                    if (last) log.load(std::move(incoming), ballast_bytes);
                    return Result<>();
                  }});
  group.on_deliver([&](const Delivery& message) { log.take(message); });
  line.say("in");
  const auto seat = static_cast<Rank>(config.name[0] - 'a');
  MessageNumber sent = 0;
  Time next_send = Monotonic::now(), next_word = next_send;
  for (;;) {
    const bool worked = node->poll();
    const Time now = Monotonic::now();
    if (now >= next_send) {
      sent += group.try_send(streamed(seat, sent)).has_value() ? 1 : 0;
      next_send = now + std::chrono::milliseconds(1);
    }
    if (!told && node->arrived()) line.say("arrived"), told = true;
    const auto error = node->stopped();
    expect(!error, error ? config.name + " stopped: " + error->text() : "");
    if (now >= next_word) {
      next_word = now + std::chrono::milliseconds(5);
      if (line.hear(Duration::zero()) == "enough") break;
    }
    if (!worked) node->idle(std::min(next_send, next_word));
  }
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : left.error().text());
  line.say(log.told());
}

struct Group3 {
  Group3(std::size_t starters, std::size_t joiners, std::size_t ballast_bytes)
      : seats(starters + joiners, fabric_name) {
    const auto everyone = seats.configs.front().contacts;
    for (std::size_t at = 0; at < seats.configs.size(); ++at) {
      Config& config = seats.configs[at];
      config.start = at >= starters ? Start::join : Start::together;
      // Nobody here dies without its link telling, and 80 MB of memory that is new to a busy host
      // may take seconds.
      config.failure_timeout = std::chrono::seconds(10);
      if (at < starters)
        config.contacts.assign(everyone.begin(),
                               everyone.begin() + static_cast<std::ptrdiff_t>(starters));
    }
    members = start_members(seats, [ballast_bytes](Line& line, const Config& config) {
      replicate(line, config, ballast_bytes);
    });
    for (std::size_t at = 0; at < starters; ++at) members[at]->say("go");
    for (std::size_t at = 0; at < starters; ++at) hear("arrived", at);
  }
  void hear(const std::string& word, std::size_t at) {
    while (members[at]->hear() != word) {
    }
  }
  /// Whoever lives ends with the same.
  void end() {
    for (auto& member : members)
      if (member) member->say("enough");
    std::vector<std::string> ends;
    for (auto& member : members) {
      if (!member) continue;
      std::string word = member->hear();
      while (word == "in" || word == "loading" || word == "arrived") word = member->hear();
      ends.push_back(word);
      member->expect_end();
    }
    REQUIRE(!ends.empty());
    for (const std::string& each : ends) CHECK(each == ends.front());
    CHECK_FALSE(ends.front().starts_with("0 "));
  }

  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
};

TEST_CASE("a joiner of a busy group ends with the same state, small or large") {
  for (const std::size_t ballast : {std::size_t{0}, std::size_t{20'000'000}}) {
    CAPTURE(ballast);
    Group3 group(3, 1, ballast);
    group.members[3]->say("go");
    group.hear("arrived", 3);
    group.end();
  }
}

TEST_CASE("members that die while they send the state are replaced, and nothing is lost") {
  // Large enough that it is not over before the test has killed somebody.
  Group3 group(4, 1, sanitized ? 20'000'000 : 80'000'000);
  group.members[4]->say("go");
  group.hear("loading", 4);
  // Whichever of them it is: ask for the state of each in turn.
  group.members[0]->signal(SIGKILL);
  group.members[0].reset();
  group.hear("arrived", 4);
  group.end();
}

TEST_CASE("joiner_dies_during_state_transfer") {
  Group3 group(3, 1, sanitized ? 20'000'000 : 80'000'000);
  group.members[3]->say("go");
  group.hear("loading", 3);
  group.members[3]->signal(SIGKILL);
  group.members[3].reset();
  group.end();
}

}  // namespace
}  // namespace squall::group_tests
