#include "test/groups/stream.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/digest.h"
#include "groups/node.h"

namespace squall::group_tests {
namespace {

constexpr std::size_t flowing_after = 200;  // deliveries
constexpr std::size_t dwells_after = 400;
constexpr Duration steady_pace = std::chrono::microseconds(500);
constexpr Duration flood_pace = std::chrono::milliseconds(5);
constexpr Duration mixed_pace = std::chrono::milliseconds(2);

std::int64_t count_of(Time time) {
  return time.time_since_epoch().count();
}

struct Manner {
  bool floods = false;
  bool dwells = false;
  bool mixes = false;
};

class Streamer {
 public:
  Streamer(Line& line, const Config& config, Manner manner)
      : line_(line),
        floods_(manner.floods),
        dwells_(manner.dwells),
        mixes_(manner.mixes),
        node_(started(config)),
        group_(*node_->group("test")),
        recorder_(*node_, group_),
        seat_(node_->rank()) {
    recorder_.also([this](const Delivery& message) {
      delivered_at_ = Monotonic::now();
      const bool fits = mixes_ && message.bytes.size() <= group_.max_message_bytes();
      if (dwells_ && !fits && message.sender != seat_ && recorder_.delivered() >= dwells_after)
        dwell(message);
    });
    recorder_.also_view([this](const ViewChange& change) {
      line_.say(
          fmt::format("view {} {}", count_of(Monotonic::now()), fmt::join(change.gone, "; ")));
    });
  }
  void run();

 private:
  /// False if the ring is full.
  bool send();
  void dwell(const Delivery& message);
  void end_stopped(const Error& error);
  void end_well(const Result<>& ended);

  Line& line_;
  bool floods_;
  bool dwells_;
  bool mixes_;
  std::unique_ptr<Node> node_;
  Group& group_;
  Recorder recorder_;
  Rank seat_;
  Time delivered_at_{};
};

bool Streamer::send() {
  const auto bytes = (floods_ ? flooded : mixes_ ? mixed : streamed)(seat_, recorder_.sent());
  if (bytes.size() > group_.max_message_bytes()) {
    auto object = group_.try_buffer(bytes.size());
    if (!object) return false;
    std::ranges::copy(bytes, object->bytes().begin());
    if (!group_.try_send(*object)) return false;
    recorder_.sending(bytes);
    return true;
  }
  const auto space = group_.reserve(bytes.size());
  if (!space) return false;
  recorder_.sending(bytes);
  std::ranges::copy(bytes, space->bytes.begin());
  group_.commit(*space);
  return true;
}

/// The application looks at a message for a long time, once.
void Streamer::dwell(const Delivery& message) {
  dwells_ = false;
  const std::uint64_t before = digest(message.bytes);
  line_.say("inside");
  expect(line_.hear(longest_patience) == "go on", "the test says when to go on");
  line_.say(digest(message.bytes) == before ? "same" : "changed");
}

void Streamer::end_stopped(const Error& error) {
  line_.say(stopped_word(error));
  auto word = line_.hear(longest_patience);
  if (word == "trace") {
    line_.say(fmt::format("last {} ", count_of(delivered_at_)));
    line_.say(recorder_.trace());
    word = line_.hear(longest_patience);
  }
  expect(word == "end", "the test says when to end");
}

void Streamer::end_well(const Result<>& ended) {
  expect(ended.has_value(), ended ? "" : ended.error().text());
  line_.say(recorder_.trace());
}

void Streamer::run() {
  bool flowing = false;
  Time next_send = Monotonic::now(), next_word = next_send;
  while (true) {
    const bool worked = node_->poll();
    const Time now = Monotonic::now();
    if (const auto error = node_->stopped()) return end_stopped(*error);
    if (now >= next_send) {
      while (send() && floods_) {
      }
      next_send = now + (floods_ ? flood_pace : mixes_ ? mixed_pace : steady_pace);
    }
    if (!flowing && recorder_.delivered() >= flowing_after) {
      flowing = true;
      line_.say("flowing");
    }
    if (now >= next_word) {
      next_word = now + std::chrono::milliseconds(5);
      const auto word = line_.hear(Duration::zero());
      const Time limit = Monotonic::now() + patience;
      if (word == "exit") _exit(0);
      if (word == "drop") return;
      if (word == "count") line_.say(fmt::format("{}", recorder_.delivered()));
      if (word == "enough") return end_well(node_->shutdown(limit));
      if (word == "leave") return end_well(node_->leave(limit));
    }
    if (!worked) node_->idle(std::min(next_send, next_word));
  }
}

}  // namespace

std::string stopped_word(const Error& error) {
  return fmt::format("stopped {} {}", count_of(Monotonic::now()), error.text());
}

void stream(Line& line, const Config& config) {
  Streamer(line, config, {}).run();
}

void flood(Line& line, const Config& config) {
  Streamer(line, config, {.floods = true}).run();
}

void stream_mixed(Line& line, const Config& config) {
  Streamer(line, config, {.mixes = true}).run();
}

void stream_mixed_and_dwell(Line& line, const Config& config) {
  Streamer(line, config, {.dwells = true, .mixes = true}).run();
}

void flood_and_dwell(Line& line, const Config& config) {
  Streamer(line, config, {.floods = true, .dwells = true}).run();
}

Word word_of(const std::string& said) {
  const auto first = said.find(' ');
  REQUIRE_MESSAGE(first != said.npos, said);
  const auto second = said.find(' ', first + 1);
  REQUIRE_MESSAGE(second != said.npos, said);
  return {said.substr(0, first), Time{Duration(std::stoll(said.substr(first + 1)))},
          said.substr(second + 1)};
}

namespace {

void expect_before(Time at, const Moment& limit, std::string_view what) {
  const Time last = limit.time();
  CHECK_MESSAGE(at < last, what << ", " << (at - last) / 1ms << " ms late, although "
                                << limit.kept() / 1ms << " ms were kept from the members");
}

}  // namespace

Word expect_view(Process& member, const Moment& limit, const std::vector<std::string>& gone) {
  const std::string said = member.hear();
  REQUIRE_MESSAGE(said.starts_with("view "), said);
  Word word = word_of(said);
  expect_before(word.at, limit, said);
  for (const std::string& name : gone)
    CHECK_MESSAGE(word.text.find(name + ": ") != word.text.npos, said);
  return word;
}

Word expect_stopped(Process& member, const Moment& limit, std::string_view why) {
  const std::string said = member.hear();
  REQUIRE_MESSAGE(said.starts_with("stopped "), said);
  Word word = word_of(said);
  expect_before(word.at, limit, said);
  CHECK_MESSAGE(word.text.find(why) != word.text.npos, said);
  return word;
}

std::vector<std::string> finish(const std::vector<Process*>& members) {
  for (Process* member : members) member->say("enough");
  std::vector<std::string> traces;
  for (Process* member : members) {
    traces.push_back(member->hear());
    REQUIRE_MESSAGE(traces.back().starts_with("install"), traces.back().substr(0, 400));
  }
  for (Process* member : members) member->expect_end();
  return traces;
}

std::string last_trace(Process& member, const Moment& limit) {
  member.say("trace");
  const Word last = word_of(member.hear());
  expect_before(last.at, limit, "its last delivery");
  std::string trace = member.hear();
  member.say("end");
  member.expect_end();
  return trace;
}

}  // namespace squall::group_tests
