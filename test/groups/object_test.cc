// A replicated object in groups of processes: all members update it, members die and come, and
// whoever is there at the end has the same.
#include "groups/object/object.h"

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
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// Remembers every entry and their order, in as little as can be compared.
struct Ledger {
  std::map<std::string, std::uint64_t> entries;  // of each writer
  std::uint64_t chain = 0;

  std::uint64_t enter(const std::string& writer, std::uint64_t number) {
    // Each writer's own, in its order and none twice.
    if (number != entries[writer]) throw std::runtime_error("entry out of its order");
    ++entries[writer];
    chain = (chain ^ number ^ (writer[0] * 0x9e3779b97f4a7c15)) * 0xbf58476d1ce4e5b9;
    chain ^= chain >> 31;
    return chain;
  }
  std::uint64_t of(const std::string& writer) const {
    const auto found = entries.find(writer);
    return found == entries.end() ? 0 : found->second;
  }
  std::string text() const {
    std::string all = fmt::format("{:x}", chain);
    for (const auto& [writer, count] : entries) all += fmt::format(" {} {}", writer, count);
    return all;
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(entries, chain);
  }
};

/// One member's updates, and what is expected of their replies.
class Writer {
 public:
  Writer(Object<Ledger> ledger, std::string name)
      : ledger_(std::move(ledger)), name_(std::move(name)) {}

  void write() {
    if (calls_.size() >= 64) return;
    calls_.push_back(ledger_.update<&Ledger::enter>(name_, written_++));
  }
  void ask(const std::string& other) {
    if (!question_ || question_->ready()) question_ = ledger_.at(other).read<&Ledger::of>(name_);
  }
  void check() {
    if (question_ && question_->ready()) {
      const auto answer = question_->get();
      if (answer) expect(*answer <= written_, "nobody has more than was written");
      if (!answer) {
        expect(answer.error().effect == Effect::no, answer.error().text());
        expect(answer.error().code == Code::lost || answer.error().code == Code::unavailable ||
                   answer.error().code == Code::would_block,
               answer.error().text());
      }
      question_.reset();
    }
    for (; !calls_.empty() && calls_.front().ready(); calls_.pop_front()) {
      const auto replies = calls_.front().get();
      expect(replies.has_value(), replies ? "" : replies.error().text());
      expect(replies->own().has_value(), "this member has executed it");
      expect(replies->version >= next_version_, "versions go up");
      next_version_ = replies->version + 1;
      for (const auto& each : replies->all) {
        whole_ += each.result.has_value() ? 1 : 0;
        if (each.result)
          expect(*each.result == *replies->own(), "all replicas make the same of it");
        else
          expect(
              each.result.error().code == Code::lost && each.result.error().effect == Effect::yes,
              each.result.error().text());
      }
    }
  }
  bool idle() const { return calls_.empty() && !question_; }
  std::uint64_t written() const { return written_; }
  std::uint64_t whole() const { return whole_; }

 private:
  Object<Ledger> ledger_;
  std::string name_;
  std::uint64_t written_ = 0, next_version_ = 0, whole_ = 0;
  std::deque<Future<std::uint64_t>> calls_;
  std::optional<ReadFuture<std::uint64_t>> question_;
};

/// Waits for "go", starts, says "in" once it has the state, writes steadily, says "view N" for
/// every view; on "enough" waits for its calls, shuts down with all and says its ledger.
void write_steadily(Line& line, const Config& config) {
  expect(line.hear(longest_patience) == "go", "the test says when to begin");
  auto node = started(config);
  auto ledger = node->object<Ledger>("test");
  expect(static_cast<bool>(ledger), ledger.error().text());
  node->on_view(
      [&](const ViewChange& change) { line.say(fmt::format("view {}", change.view->size())); });
  // A member that comes back under its old name goes on where it was.
  Writer writer(ledger, config.name);
  const Duration pace = std::chrono::microseconds(sanitized ? 2000 : 200);
  Time next_write = Monotonic::now(), next_word = next_write;
  bool in = false, enough = false;
  std::uint64_t rounds = 0;
  while (!enough || !writer.idle()) {
    const bool worked = node->poll();
    if (!in && ledger.ready()) line.say("in"), in = true;
    writer.check();
    const Time now = Monotonic::now();
    if (!enough && in && now >= next_write) {
      writer.write();
      const auto view = node->view();
      const Member& other = view->members[++rounds % view->size()];
      if (other.name != config.name && rounds % 8 == 0) writer.ask(other.name);
      next_write = now + pace;
    }
    const auto error = node->stopped();
    expect(!error, error ? config.name + " stopped: " + error->text() : "");
    if (!enough && now >= next_word) {
      next_word = now + std::chrono::milliseconds(5);
      enough = line.hear(Duration::zero()) == "enough";
    }
    if (!worked) node->idle(std::min(next_write, next_word));
  }
  expect(ledger.read<&Ledger::of>(config.name) == writer.written(), "all of it is written");
  expect(writer.whole() > 0, "some replies came");
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : config.name + ": " + left.error().text());
  line.say("end " + ledger.read<&Ledger::text>().value());
}

struct Writers {
  Writers(std::size_t starters, std::size_t joiners) : seats(starters + joiners, fabric_name) {
    seats.each([&](Config& config) { config.contacts.resize(starters); });
    for (std::size_t at = starters; at < seats.configs.size(); ++at)
      seats.configs[at].start = Start::join;
    members = start_members(seats, write_steadily);
    for (std::size_t at = 0; at < starters; ++at) members[at]->say("go");
    for (std::size_t at = 0; at < starters; ++at) hear_until(at, "in");
  }
  std::string hear_until(std::size_t at, const std::string& begin) {
    for (std::string word = members[at]->hear();; word = members[at]->hear())
      if (word.starts_with(begin)) return word;
  }
  void end() {
    for (auto& member : members)
      if (member) member->say("enough");
    std::string first;
    for (std::size_t at = 0; at < members.size(); ++at) {
      if (!members[at]) continue;
      const std::string ledger = hear_until(at, "end ");
      members[at]->expect_end();
      if (first.empty()) first = ledger;
      CHECK(ledger == first);
    }
    CHECK(first.size() > 10);
  }

  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
};

TEST_CASE("three members update one object, and end with the same") {
  Writers writers(3, 0);
  writers.end();
}

TEST_CASE("three members update one object, one is killed, one joins, and all end with the same") {
  for (const std::size_t victim : {0, 2}) {
    CAPTURE(victim);
    Writers writers(3, 1);
    writers.members[victim]->signal(SIGKILL);
    writers.members[victim].reset();
    const std::size_t other = victim == 0 ? 1 : 0;
    writers.hear_until(other, "view 2");
    writers.members[3]->say("go");
    writers.hear_until(3, "in");
    writers.hear_until(other, "view 3");
    writers.end();
  }
}

TEST_CASE("one joins while another is killed, and all end with the same") {
  Writers writers(3, 1);
  writers.members[3]->say("go");
  writers.members[1]->signal(SIGKILL);
  writers.members[1].reset();
  writers.hear_until(3, "in");
  writers.end();
}

}  // namespace
}  // namespace squall::group_tests
