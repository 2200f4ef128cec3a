// Clients of groups of processes: they update an object through whichever member serves them, while
// members are killed and come, and clients die. Each update is executed once.
#include "groups/client/client.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "groups/object/object.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// How often each client has added to it.
struct Tally {
  std::map<std::string, std::uint64_t> counts;

  std::uint64_t add(const std::string& client) { return ++counts[client]; }
  std::uint64_t of(const std::string& client) const {
    const auto found = counts.find(client);
    return found == counts.end() ? 0 : found->second;
  }
  std::string text() const {
    std::string all;
    for (const auto& [client, count] : counts) all += fmt::format("{} {} ", client, count);
    return all;
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(counts);
  }
  using methods = Methods<&Tally::add, &Tally::of, &Tally::text>;
};

/// Waits for "go", starts, says "in" once it has the state and "view N" for every view; turns until
/// "enough", then shuts down with all and says its tally.
void stand(Line& line, const Config& config) {
  expect(line.hear(longest_patience) == "go", "the test says when to begin");
  auto node = started(config);
  auto tally = node->object<Tally>("test");
  expect(static_cast<bool>(tally), tally.error().text());
  node->on_view(
      [&](const ViewChange& change) { line.say(fmt::format("view {}", change.view->size())); });
  bool in = false;
  Time next_word{}, next_notice{};
  for (;;) {
    const bool worked = node->poll();
    const auto error = node->stopped();
    expect(!error, error ? config.name + " stopped: " + error->text() : "");
    if (!in && tally.ready()) line.say("in"), in = true;
    const Time now = Monotonic::now();
    if (now >= next_notice) {
      expect(tally.notify(as_bytes("still here")).has_value(), "a member notifies its clients");
      next_notice = now + std::chrono::milliseconds(2);
    }
    if (now >= next_word) {
      next_word = now + std::chrono::milliseconds(5);
      if (line.hear(Duration::zero()) == "enough") break;
    }
    if (!worked) node->idle(std::min(next_word, next_notice));
  }
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : config.name + ": " + left.error().text());
  line.say("end " + tally.read<&Tally::text>().value());
}

/// Adds to the tally, many calls at a time; says "served MEMBER" when another one serves it, "half"
/// when half is done, and "done" with how much it added once all is.
void call(Line& line, const Config& config, std::uint64_t total) {
  auto client = Client::connect(config);
  expect(client.has_value(), client ? "" : client.error().text());
  auto tally = (*client)->object<Tally>("test");
  expect(static_cast<bool>(tally), tally.error().text());
  std::uint64_t notices = 0, gaps = 0, servers = 0;
  tally.on_notice([&](Bytes notice) { notices += as_text(notice) == "still here"; },
                  [&] { ++gaps; });
  std::deque<ClientUpdate<std::uint64_t>> calls;
  std::uint64_t begun = 0, added = 0, version = 0, seen = 0;
  std::string server;
  const Time limit = Monotonic::now() + patience;
  while (added < total) {
    expect(Monotonic::now() < limit, "a client comes to its end: " + tally.member());
    while (begun < total && calls.size() < 100) {
      calls.push_back(tally.update<&Tally::add>(config.name));
      ++begun;
    }
    const auto reply = calls.front().get(limit);
    expect(reply.has_value(), reply ? "" : config.name + ": " + reply.error().text());
    calls.pop_front();
    // In order, none twice, none left out.
    expect(reply->value == ++added, fmt::format("{} and not {}", reply->value, added));
    expect(added == 1 || reply->version > version, "versions go up");
    version = reply->version;
    if (added % 16 == 0) {
      const auto now = (added % 32 == 0 ? tally.read<&Tally::of>(config.name)
                                        : tally.linearizable().read<&Tally::of>(config.name))
                           .get(limit);
      expect(now.has_value(), now ? "" : now.error().text());
      expect(*now >= added && *now >= seen, "reads do not go back");
      seen = *now;
    }
    if (added == total / 2) line.say("half");
    const std::string by = tally.member();
    if (by.empty() || by == server) continue;
    server = by;
    ++servers;
    line.say("served " + server);
  }
  while (notices == 0) {
    expect(Monotonic::now() < limit, "notices come");
    if (!(*client)->poll()) (*client)->idle(Monotonic::now() + std::chrono::milliseconds(10));
  }
  expect(gaps >= servers - 1, "another member means a gap");
  line.say(fmt::format("done {} {}", config.name, added));
}

struct Cast {
  Cast(std::size_t starters, std::size_t joiners) : seats(starters + joiners, fabric_name) {
    seats.each([&](Config& config) { config.contacts.resize(starters); });
    for (std::size_t at = starters; at < seats.configs.size(); ++at)
      seats.configs[at].start = Start::join;
    members = start_members(seats, stand);
    for (std::size_t at = 0; at < starters; ++at) members[at]->say("go");
    for (std::size_t at = 0; at < starters; ++at) hear_until(*members[at], "in");
  }
  std::unique_ptr<Process> client(const std::string& name, std::uint64_t total) {
    Config config = seats.configs[0];
    config.name = name;
    config.start = Start::together;
    return std::make_unique<Process>([config, total](Line& line) { call(line, config, total); });
  }
  static std::string hear_until(Process& process, const std::string& begin) {
    for (std::string word = process.hear();; word = process.hear())
      if (word.starts_with(begin)) return word;
  }
  void kill(std::size_t member) {
    members[member]->signal(SIGKILL);
    members[member].reset();
  }
  /// What all members ended with.
  std::string end() {
    for (auto& member : members)
      if (member) member->say("enough");
    std::string tally;
    for (auto& member : members) {
      if (!member) continue;
      const std::string last = hear_until(*member, "end ");
      member->expect_end();
      if (tally.empty()) tally = last;
      CHECK(last == tally);
    }
    return tally;
  }

  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
};

constexpr std::uint64_t most = sanitized ? 400 : 4000;

TEST_CASE("clients update while the member that serves one is killed, and another one joins") {
  Cast cast(3, 1);
  auto first = cast.client("x", most), second = cast.client("y", most);
  const std::string server = Cast::hear_until(*first, "served ").substr(7);
  const auto victim = static_cast<std::size_t>(server[0] - 'a');
  Cast::hear_until(*first, "half");
  cast.kill(victim);
  const std::size_t other = victim == 0 ? 1 : 0;
  Cast::hear_until(*cast.members[other], "view 2");
  cast.members[3]->say("go");
  Cast::hear_until(*cast.members[3], "in");
  CHECK(Cast::hear_until(*first, "done ") == fmt::format("done x {}", most));
  CHECK(Cast::hear_until(*second, "done ") == fmt::format("done y {}", most));
  first->expect_end();
  second->expect_end();
  CHECK(cast.end() == fmt::format("end x {} y {} ", most, most));
}

TEST_CASE("a client that is killed harms nobody, and those who come later are served") {
  Cast cast(2, 0);
  auto first = cast.client("x", 1'000'000'000), second = cast.client("y", most);
  Cast::hear_until(*first, "served ");
  first->signal(SIGKILL);
  first.reset();
  CHECK(Cast::hear_until(*second, "done ") == fmt::format("done y {}", most));
  second->expect_end();
  auto third = cast.client("z", most);
  CHECK(Cast::hear_until(*third, "done ") == fmt::format("done z {}", most));
  third->expect_end();
  const std::string tally = cast.end();
  CHECK_MESSAGE(tally.find(fmt::format("y {} z {} ", most, most)) != std::string::npos, tally);
}

TEST_CASE("a member that is stopped for long is left, and its client goes on with another") {
  Cast cast(3, 0);
  auto client = cast.client("x", most);
  const std::string server = Cast::hear_until(*client, "served ").substr(7);
  Cast::hear_until(*client, "half");
  const auto stopped = static_cast<std::size_t>(server[0] - 'a');
  cast.members[stopped]->signal(SIGSTOP);
  CHECK(Cast::hear_until(*client, "done ") == fmt::format("done x {}", most));
  client->expect_end();
  cast.kill(stopped);
  CHECK(cast.end() == fmt::format("end x {} ", most));
}

}  // namespace
}  // namespace squall::group_tests
