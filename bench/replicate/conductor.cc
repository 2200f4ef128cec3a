#include "bench/replicate/conductor.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/launch/interrupt.h"
#include "bench/replicate/report.h"

namespace squall::replicate {
namespace {

using nlohmann::json;

/// For members to say why they stopped, once one of them has.
constexpr Duration last_words = 4s;

Summary summary_from(const json& from) {
  Summary s;
  s.fabric = from.at("fabric");
  s.files = from.at("files");
  s.bytes = from.at("bytes");
  s.messages = from.at("messages");
  s.skipped = from.at("skipped");
  s.seconds = from.at("seconds");
  s.digest = from.at("digest");
  s.sender = from.at("sender");
  s.latency_p50 = Duration(from.at("latency_p50_ns").get<Duration::rep>());
  s.latency_p99 = Duration(from.at("latency_p99_ns").get<Duration::rep>());
  return s;
}

}  // namespace

nlohmann::json to_json(const Summary& s) {
  return {{"fabric", s.fabric},
          {"files", s.files},
          {"bytes", s.bytes},
          {"messages", s.messages},
          {"skipped", s.skipped},
          {"seconds", s.seconds},
          {"digest", s.digest},
          {"sender", s.sender},
          {"latency_p50_ns", s.latency_p50.count()},
          {"latency_p99_ns", s.latency_p99.count()}};
}

Conductor::Conductor(bench::Crew& crew, const Totals& totals, unsigned wanted, const Plot& plot)
    : crew_(crew),
      bar_(totals),
      wanted_(wanted),
      plot_(plot),
      summaries_(crew.size()),
      failed_(crew.size()) {}

int Conductor::run() {
  while (crew_.running() > 0) {
    // Nobody is left who could let it in.
    if (plot_.joiner && !called_ && crew_.running() == 1 && !hung_up_) hang_up();
    auto news = crew_.next(deadline_);
    if (!news) {
      hang_up();
      continue;
    }
    if (news->message)
      on_message(news->member, *news->message);
    else if (!news->clean_exit && !failed_[news->member])
      on_end(news->member, news->how);
    if (any_failed() && deadline_ == never) deadline_ = Monotonic::now() + last_words;
  }
  bar_.clear();
  explain();
  return any_failed() || bench::interrupted() ? 1 : finish();
}

/// Interrupted, or somebody took too long to stop: once politely, then the Crew ends them.
void Conductor::hang_up() {
  if (hung_up_ && Monotonic::now() >= deadline_) {
    crew_.kill_all();
    deadline_ = never;
    return;
  }
  crew_.dismiss();
  hung_up_ = true;
  deadline_ = Monotonic::now() + last_words;
}

void Conductor::on_message(unsigned member, const json& message) {
  if (message.contains("progress")) {
    const json& progress = message["progress"];
    if (message.value("sender", false)) {
      sender_ = member;
      on_progress(progress.value("files", std::uint64_t{0}),
                  progress.value("bytes", std::uint64_t{0}));
    }
  } else if (message.contains("view")) {
    if (tells_views(member, message.value("sender", false))) on_view(message["view"]);
  } else if (message.contains("failed")) {
    on_failure(member, message.value("failed", ""), message.value("caused_by", "") != "");
  } else if (message.contains("done")) {
    summaries_[member] = summary_from(message["done"]);
  }
}

/// The sender does, and the first of the others once it was killed.
bool Conductor::tells_views(unsigned member, bool is_sender) {
  if (is_sender) sender_ = member;
  if (!killed_ || sender_ != plot_.kill) return is_sender;
  return member == (sender_ == 0u ? 1 : 0);
}

void Conductor::on_progress(std::uint64_t files, std::uint64_t bytes) {
  bar_.show(files, bytes);
  if (3 * bytes < bar_.totals().bytes) return;
  if (plot_.kill && !killed_) {
    say(fmt::format("{} is killed after {} files", bench::member_name(*plot_.kill), files));
    crew_.signal(*plot_.kill, SIGKILL);
    killed_ = true;
  }
  if (plot_.joiner && !plot_.kill && !called_) {
    called_ = true;
    crew_.tell(*plot_.joiner, {{"join", true}});
  }
}

void Conductor::on_view(const json& view) {
  say(view.at("text").get<std::string>());
  if (!plot_.joiner || !plot_.kill || called_) return;
  const std::vector<std::string> members = view.at("members");
  if (std::ranges::find(members, bench::member_name(*plot_.kill)) != members.end()) return;
  called_ = true;
  crew_.tell(*plot_.joiner, {{"join", true}});
}

void Conductor::say(const std::string& line) {
  bar_.clear();
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Conductor::on_failure(unsigned member, const std::string& what, bool secondary) {
  failed_[member] = true;
  // Whoever was told to stop because of another says only that.
  if (!hung_up_ || bench::interrupted()) told_.push_back({member, what, secondary});
}

void Conductor::on_end(unsigned member, const std::string& how) {
  ended_.push_back({member, fmt::format("it ended unexpectedly ({})", how), false});
  // The others may be waiting for it, and cannot know.
  if (member == plot_.joiner) failed_[member] = true;
}

/// Causes only, unless nobody knows one; what all say is said once.
void Conductor::explain() const {
  for (const Failure& end : ended_)
    if (!killed_ || end.member != plot_.kill)
      fmt::print(stderr, "squall: member {}: {}\n", bench::member_name(end.member), end.what);
  const bool caused = std::any_of(told_.begin(), told_.end(),
                                  [](const Failure& failure) { return !failure.secondary; });
  const bool common = told_.size() > 1 && told_.size() == crew_.size() &&
                      std::all_of(told_.begin(), told_.end(), [&](const Failure& failure) {
                        return failure.what == told_.front().what;
                      });
  if (common) {
    fmt::print(stderr, "squall: every member: {}\n", told_.front().what);
    return;
  }
  for (const Failure& failure : told_)
    if (!failure.secondary || !caused)
      fmt::print(stderr, "squall: member {}: {}\n", bench::member_name(failure.member),
                 failure.what);
}

bool Conductor::any_failed() const {
  return std::find(failed_.begin(), failed_.end(), true) != failed_.end();
}

int Conductor::finish() const {
  const Summary* shown = nullptr;
  unsigned holders = 0;
  for (unsigned i = 0; i < crew_.size(); ++i) {
    if (!summaries_[i]) continue;
    if (shown != nullptr && summaries_[i]->digest != shown->digest) {
      fmt::print(stderr, "squall: member {} did not report the same digest as the others\n",
                 bench::member_name(i));
      return 1;
    }
    if (shown == nullptr || summaries_[i]->sender) shown = &*summaries_[i];
    ++holders;
  }
  if (shown != nullptr) fmt::print("{}", table(*shown, holders));
  if (holders < wanted_)
    fmt::print(stderr, "squall: {} of {} members hold everything\n", holders, wanted_);
  return holders < wanted_ ? 1 : 0;
}

}  // namespace squall::replicate
