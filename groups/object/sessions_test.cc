// Sessions against a model: whatever comes twice, late, through two members or after its session
// has gone, each update is executed once at most, and a reply that is given is that of its
// execution. And what a joiner loads goes on as the table that was saved.
#include "groups/object/sessions.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/base/random.h"

namespace squall::objects {
namespace {

using Verdict = Sessions::Verdict;

std::vector<std::byte> bytes_of(std::uint64_t value, std::size_t size = 8) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

/// Executes what is to be, with a reply that says the position.
Verdict take(Sessions& table, const SessionHeader& update, std::uint64_t position,
             std::size_t size = 8) {
  const auto judged = table.judge(update);
  if (judged.verdict == Verdict::execute)
    table.record(update.session,
                 {update.sequence, position, false, Effect::yes, bytes_of(position, size)});
  return judged.verdict;
}

TEST_CASE("the next number is executed, others are answered, forgotten or too early") {
  Sessions table;
  table.open(7, 99);
  CHECK(take(table, {7, 98, 1, 0}, 8) == Verdict::unknown);
  CHECK(take(table, {6, 99, 1, 0}, 8) == Verdict::unknown);
  CHECK(take(table, {7, 99, 2, 0}, 8) == Verdict::early);
  CHECK(take(table, {7, 99, 1, 0}, 9) == Verdict::execute);
  const auto again = table.judge({7, 99, 1, 0});
  REQUIRE(again.verdict == Verdict::answered);
  CHECK(again.reply->version == 9);
  CHECK(take(table, {7, 99, 2, 1}, 10) == Verdict::execute);
  CHECK(take(table, {7, 99, 1, 0}, 11) == Verdict::forgotten);
  CHECK(take(table, {7, 99, 0, 0}, 11) == Verdict::forgotten);
  table.clear();
  CHECK(take(table, {7, 99, 3, 1}, 12) == Verdict::unknown);
}

TEST_CASE("limits cost the least recently used sessions, and a session's oldest replies") {
  Sessions table({.sessions = 3, .replies = 2, .bytes = 100, .reply_bytes = 64});
  for (std::uint64_t id = 1; id <= 3; ++id) table.open(id, 0);
  CHECK(take(table, {1, 0, 1, 0}, 4) == Verdict::execute);
  table.open(5, 0);  // instead of 2
  CHECK(take(table, {2, 0, 1, 0}, 6) == Verdict::unknown);
  for (std::uint64_t sequence = 2; sequence <= 4; ++sequence)
    CHECK(take(table, {1, 0, sequence, 0}, 6 + sequence) == Verdict::execute);
  CHECK(take(table, {1, 0, 2, 0}, 12) == Verdict::forgotten);
  CHECK(take(table, {1, 0, 3, 0}, 12) == Verdict::answered);
  // More bytes than all may have: 3 goes, then 1.
  CHECK(take(table, {5, 0, 1, 0}, 13, 64) == Verdict::execute);
  CHECK(table.size() == 3);
  CHECK(take(table, {5, 0, 2, 0}, 14, 60) == Verdict::execute);
  CHECK(table.size() == 1);
  CHECK(take(table, {5, 0, 1, 0}, 15) == Verdict::answered);
  CHECK(table.reply_bytes() == 124);
}

/// What a client sends, and what has become of it.
struct Client {
  std::optional<SessionHeader> session;
  std::uint64_t next = 1, acknowledged = 0;
  std::map<std::uint64_t, std::uint64_t> executed_at;  // by sequence, in this session
};

TEST_CASE("property: at most once, whatever the order has twice, and joiners go on alike") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const SessionLimits limits{.sessions = 4, .replies = 5, .bytes = 200, .reply_bytes = 64};
    Sessions table(limits), joiner(limits);
    bool joined = false;
    std::vector<Client> clients(6);
    std::uint64_t position = 0;
    // What two members have of the clients and have not ordered yet: each keeps its own order.
    std::deque<SessionHeader> members[2];
    for (int step = 0; step < 400; ++step) {
      Client& client = clients[random.below(clients.size())];
      if (!client.session) {
        client = {SessionHeader{position, random.next(), 0, 0}, 1, 0, {}};
        table.open(position, client.session->secret);
        if (joined) joiner.open(position, client.session->secret);
        ++position;
        continue;
      }
      // Sends the next few, or all again that it has no reply of, in order.
      auto& member = members[random.below(2)];
      if (!random.one_in(3)) {
        const bool again = random.one_in(3);
        const std::uint64_t from = again ? client.acknowledged + 1 : client.next;
        client.next = std::max(client.next, from + random.below(limits.replies));
        client.next = std::min(client.next, client.acknowledged + 1 + limits.replies);
        for (std::uint64_t at = from; at < client.next; ++at)
          member.push_back(
              {client.session->session, client.session->secret, at, client.acknowledged});
        continue;
      }
      if (member.empty()) continue;
      const SessionHeader update = member.front();
      member.pop_front();
      const std::size_t size = random.below(40);
      const auto judged = table.judge(update);
      const Verdict verdict = judged.verdict;
      Client* const sender = [&]() -> Client* {
        for (Client& each : clients)
          if (each.session && each.session->session == update.session) return &each;
        return nullptr;
      }();
      if (verdict == Verdict::unknown) {
        if (sender != nullptr) sender->session.reset();
      } else {
        REQUIRE(sender != nullptr);
        const auto before = sender->executed_at.find(update.sequence);
        CHECK((verdict == Verdict::execute || verdict == Verdict::early) ==
              (before == sender->executed_at.end()));
        if (verdict == Verdict::answered) {
          CHECK(judged.reply->version == before->second);
          // The client has this reply, and all before it that it had.
          if (update.sequence == sender->acknowledged + 1) ++sender->acknowledged;
        }
        // Who sends in order has no gap: the lost ones of one member are sent by the other.
        if (verdict == Verdict::early) CHECK(update.sequence > 1);
        if (verdict == Verdict::execute) {
          sender->executed_at[update.sequence] = position;
          table.record(update.session, {update.sequence, position, size % 2 == 0, Effect::yes,
                                        bytes_of(position, size)});
        }
      }
      if (joined) {
        const auto there = joiner.judge(update);
        CHECK(there.verdict == verdict);
        if (there.verdict == Verdict::execute)
          joiner.record(update.session, {update.sequence, position, size % 2 == 0, Effect::yes,
                                         bytes_of(position, size)});
      }
      ++position;
      CHECK(table.size() <= limits.sessions);
      if (joined && random.one_in(8)) CHECK(joiner.save() == table.save());
      if (!random.one_in(50)) continue;
      const auto saved = table.save();
      CHECK(saved.size() <= table.most_saved_bytes());
      REQUIRE(joiner.load(saved));
      joined = true;
      CHECK(joiner.save() == saved);
      CHECK(joiner.reply_bytes() == table.reply_bytes());
    }
  }
}

TEST_CASE("what is no table is not loaded, and leaves none") {
  Sessions table;
  table.open(3, 4);
  CHECK(take(table, {3, 4, 1, 0}, 5) == Verdict::execute);
  const auto saved = table.save();
  for (std::size_t size = 0; size < saved.size(); ++size) {
    Sessions other;
    CHECK_FALSE(other.load(Bytes(saved).first(size)));
    CHECK(other.size() == 0);
  }
  auto more = saved;
  more.push_back({});
  CHECK_FALSE(table.load(more));
  CHECK(table.size() == 0);
  CHECK(table.load(saved));
  CHECK(take(table, {3, 4, 1, 0}, 6) == Verdict::answered);
}

}  // namespace
}  // namespace squall::objects
