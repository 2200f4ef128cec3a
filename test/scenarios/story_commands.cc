// The commands of a scenario. Each checks its words, does one thing, and leaves the rest to time.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "test/scenarios/story.h"
#include "test/scenarios/words.h"

namespace squall::scenarios {
namespace {

using simulation::Cluster;
using Phase = engine::Turn::Phase;
using Step = membership::Message::Kind;

constexpr std::pair<std::string_view, Step> steps[] = {
    {"prepare", Step::prepare},   {"promise", Step::promise}, {"accept", Step::accept},
    {"accepted", Step::accepted}, {"refused", Step::refused}, {"ask", Step::ask},
    {"decided", Step::decided}};

constexpr std::string_view phase_names[] = {"forming", "running", "changing", "stopped"};

tl::unexpected<Error> usage(std::string_view form) {
  return fail(Code::invalid, fmt::format("expected: {}", form));
}

std::string shortened(const std::vector<std::string>& list) {
  constexpr std::size_t most = 6;
  std::string text;
  for (std::size_t at = 0; at < std::min(most, list.size()); ++at) text += ' ' + list[at];
  if (list.size() > most) text += " ... " + list.back();
  return text;
}

}  // namespace

std::string Story::run(std::string_view command) {
  using Command = Result<> (Story::*)(const Words&);
  constexpr std::pair<std::string_view, Command> commands[] = {
      {"group", &Story::group},   {"start", &Story::start},     {"run", &Story::run_for},
      {"send", &Story::send},     {"reply", &Story::reply},     {"leave", &Story::leave},
      {"join", &Story::join},     {"restart", &Story::restart}, {"crash", &Story::crash},
      {"cut", &Story::cut},       {"heal", &Story::heal},       {"partition", &Story::partition},
      {"stall", &Story::stall},   {"slow", &Story::slow},       {"delay", &Story::delay},
      {"clock", &Story::clock},   {"views", &Story::views},     {"delivered", &Story::delivered},
      {"status", &Story::status},
  };
  const Words words = words_of(command);
  const auto* found = std::ranges::find(commands, words.at(0),
                                        [](const auto& each) { return std::string(each.first); });
  Result<> done = fail(Code::invalid, fmt::format("'{}' is no command", words[0]));
  if (found != std::end(commands)) {
    if (!cluster_ && found->first != "group")
      done = fail(Code::invalid, "there is no group yet");
    else
      done = (this->*found->second)({words.begin() + 1, words.end()});
  }
  if (!done) journal_.say(fmt::format("error: {}", done.error().text()));
  return journal_.take();
}

Result<Rank> Story::member(std::string_view name) const {
  for (Rank rank = 0; rank < members_.size(); ++rank)
    if (name == Cluster::name(rank)) return rank;
  return fail(Code::invalid, fmt::format("'{}' is no member", name));
}

Result<> Story::group(const Words& words) {
  simulation::Options options;
  padding_ = 0;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == word.npos) return usage("group key=value ...");
    const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "stack") {
      options.stack = value;
    } else if (key == "senders") {
      for (const char name : value)
        if (name != ',') options.senders.push_back(static_cast<Rank>(name - 'a'));
    } else if (key == "members" || key == "state" || key == "seed" || key == "ring") {
      const auto count = number(value);
      if (!count) return tl::unexpected(count.error());
      if (key == "members") options.members = static_cast<Rank>(*count);
      if (key == "seed") options.seed = options.network.seed = *count;
      if (key == "state") padding_ = *count;
      if (key == "ring") options.ring_bytes = *count;
    } else if (key == "timeout" || key == "latency" || key == "jitter" || key == "notice") {
      const auto time = duration(value);
      if (!time) return tl::unexpected(time.error());
      if (key == "timeout") options.member.timing = membership::Timing::with_timeout(*time);
      if (key == "latency") options.network.latency = *time;
      if (key == "jitter") options.network.jitter = *time;
      if (key == "notice") options.network.loss_detection = *time;
    } else {
      return fail(Code::invalid, fmt::format("a group has no '{}'", key));
    }
  }
  options.member.patience = 3 * options.member.timing.timeout;
  cluster_.reset();
  build(options);
  return {};
}

Result<> Story::start(const Words&) {
  if (!cluster_->start(now() + 5s)) journal_.say("they do not start");
  return views({});
}

Result<> Story::run_for(const Words& words) {
  quiet_ = false;
  if (words.size() >= 2 && words[0] == "until" && words[1] == "quiet") {
    const auto limit = words.size() == 2 ? Result<Duration>(10s) : duration(words[2]);
    if (!limit) return tl::unexpected(limit.error());
    quiet_ = cluster_->run_until([this] { return quiet(); }, now() + *limit);
    if (!quiet_) tell_waiting();
    return {};
  }
  if (words.size() != 1) return usage("run TIME | run until quiet [LIMIT]");
  const auto time = duration(words[0]);
  if (!time) return tl::unexpected(time.error());
  cluster_->run_until([] { return false; }, now() + *time);
  return {};
}

Result<> Story::send(const Words& words) {
  constexpr std::string_view form = "send WHO TEXT [TIMES [every TIME]]";
  if (words.size() < 2 || words.size() == 4 || words.size() > 5) return usage(form);
  const auto who = member(words[0]);
  if (!who) return tl::unexpected(who.error());
  Of& of = members_[*who];
  if (of.gone) return fail(Code::closed, fmt::format("{} is no more", words[0]));
  of.gap = Duration{0};
  if (words.size() == 5) {
    const auto gap = duration(words[4]);
    if (!gap) return tl::unexpected(gap.error());
    of.gap = *gap;
  }
  const auto times = words.size() == 2 ? Result<std::uint64_t>(1) : number(words[2]);
  if (!times) return tl::unexpected(times.error());
  for (std::uint64_t at = 1; at <= *times; ++at)
    of.outbox.push_back(words.size() == 2 ? words[1] : fmt::format("{}{}", words[1], at));
  cluster_->wake(*who);
  return {};
}

Result<> Story::join(const Words& words) {
  if (!words.empty() && words.size() != 1) return usage("join [TIMES]");
  const auto times = words.empty() ? Result<std::uint64_t>(1) : number(words[0]);
  if (!times) return tl::unexpected(times.error());
  for (std::uint64_t left = *times; left > 0; --left) {
    members_.emplace_back();
    const Rank rank = cluster_->join();
    journal_.add(now(), name_of(rank), "asks to be let in", "");
  }
  return {};
}

Result<> Story::restart(const Words& words) {
  if (words.size() != 1) return usage("restart WHO");
  const auto who = member(words[0]);
  if (!who) return tl::unexpected(who.error());
  if (cluster_->alive(*who)) {
    cluster_->crash(*who);
    look(*who);
  }
  members_[*who] = {};
  cluster_->restart(*who);
  journal_.add(now(), name_of(*who), "asks to be let in", "");
  return {};
}

Result<> Story::reply(const Words& words) {
  if (words.size() != 1) return usage("reply WHO");
  const auto who = member(words[0]);
  if (!who) return tl::unexpected(who.error());
  members_[*who].replies = true;
  return {};
}

Result<> Story::leave(const Words& words) {
  if (words.size() != 1) return usage("leave WHO");
  const auto who = member(words[0]);
  if (!who) return tl::unexpected(who.error());
  if (!cluster_->is_member(*who))
    return fail(Code::closed, fmt::format("{} is no member yet", words[0]));
  cluster_->turn(*who).leave();
  return {};
}

Result<> Story::crash(const Words& words) {
  constexpr std::string_view form = "crash WHO [before STEP [COUNT]]";
  if (words.empty() || words.size() == 2 || words.size() > 4) return usage(form);
  const auto who = member(words[0]);
  if (!who) return tl::unexpected(who.error());
  if (words.size() == 1) {
    cluster_->crash(*who);
    look(*who);
    return {};
  }
  if (words[1] != "before") return usage(form);
  const auto* step = std::ranges::find(steps, std::string_view(words[2]),
                                       [](const auto& each) { return each.first; });
  const bool any = words[2] == "ballot";
  if (step == std::end(steps) && !any)
    return fail(Code::invalid, fmt::format("'{}' is no step of the agreement", words[2]),
                "ballot (any of them), prepare, promise, accept, accepted, refused, ask, decided");
  const auto count = words.size() == 3 ? Result<std::uint64_t>(1) : number(words[3]);
  if (!count) return tl::unexpected(count.error());
  cluster_->crash_before_ballot(*who, *count, any ? std::nullopt : std::optional(step->second));
  return {};
}

void Story::set_cut(Rank from, Rank to, bool cut) {
  auto& network = cluster_->network();
  if (cut)
    network.cut(Cluster::name(from), Cluster::name(to));
  else
    network.heal(Cluster::name(from), Cluster::name(to));
}

Result<> Story::cut(const Words& words) {
  if (words.size() != 2) return usage("cut FROM TO");
  const auto from = member(words[0]), to = member(words[1]);
  if (!from || !to) return tl::unexpected((from ? to : from).error());
  set_cut(*from, *to, true);
  return {};
}

Result<> Story::heal(const Words& words) {
  if (!words.empty() && words.size() != 2) return usage("heal [FROM TO]");
  for (Rank from = 0; from < members_.size(); ++from)
    for (Rank to = 0; to < members_.size(); ++to)
      if (from != to &&
          (words.empty() || (words[0] == Cluster::name(from) && words[1] == Cluster::name(to))))
        set_cut(from, to, false);
  return {};
}

Result<> Story::partition(const Words& words) {
  const auto bar = std::ranges::find(words, "|");
  if (bar == words.end()) return usage("partition WHO ... | WHO ...");
  for (auto left = words.begin(); left != bar; ++left)
    for (auto right = bar + 1; right != words.end(); ++right) {
      const auto one = member(*left), other = member(*right);
      if (!one || !other) return tl::unexpected((one ? other : one).error());
      set_cut(*one, *other, true);
      set_cut(*other, *one, true);
    }
  return {};
}

Result<> Story::stall(const Words& words) {
  if (words.size() != 2) return usage("stall WHO TIME");
  const auto who = member(words[0]);
  const auto time = duration(words[1]);
  if (!who) return tl::unexpected(who.error());
  if (!time) return tl::unexpected(time.error());
  cluster_->stall(*who, now() + *time);
  return {};
}

Result<> Story::slow(const Words& words) {
  if (words.size() != 2) return usage("slow WHO TIME");
  const auto who = member(words[0]);
  const auto time = duration(words[1]);
  if (!who) return tl::unexpected(who.error());
  if (!time) return tl::unexpected(time.error());
  cluster_->network().slow(words[0], *time);
  return {};
}

Result<> Story::delay(const Words& words) {
  if (words.size() != 3) return usage("delay FROM TO TIME");
  const auto from = member(words[0]), to = member(words[1]);
  const auto time = duration(words[2]);
  if (!from || !to) return tl::unexpected((from ? to : from).error());
  if (!time) return tl::unexpected(time.error());
  cluster_->network().delay(words[0], words[1], *time);
  return {};
}

Result<> Story::clock(const Words& words) {
  if (words.size() != 2) return usage("clock WHO +TIME|-TIME");
  const auto who = member(words[0]);
  std::string_view by = words[1];
  if (by.starts_with('+')) by.remove_prefix(1);
  const auto time = duration(by);
  if (!who) return tl::unexpected(who.error());
  if (!time) return tl::unexpected(time.error());
  cluster_->jump_clock(*who, *time);
  return {};
}

// --- questions

Result<> Story::views(const Words&) {
  std::vector<std::pair<std::string, std::string>> lines;  // what, who
  for (Rank rank = 0; rank < members_.size(); ++rank) {
    std::string what = "in no view";
    if (cluster_->is_member(rank)) {
      const View& view = cluster_->state(rank).view();
      what = fmt::format("view {}: {}", raw(view.id), text_of(view));
    }
    if (members_[rank].gone) what = "(gone) " + what;
    const auto same = std::ranges::find(lines, what, &std::pair<std::string, std::string>::first);
    if (same == lines.end())
      lines.emplace_back(what, name_of(rank));
    else
      same->second += ' ' + name_of(rank);
  }
  for (const auto& [what, who] : lines) journal_.say(fmt::format("{}  {}", who, what));
  return {};
}

Result<> Story::delivered(const Words&) {
  for (Rank rank = 0; rank < members_.size(); ++rank) {
    const auto& mine = members_[rank].delivered;
    std::string who;
    bool told = false;
    for (Rank other = 0; other < members_.size(); ++other) {
      if (members_[other].delivered != mine) continue;
      told |= other < rank;
      who += (who.empty() ? "" : " ") + name_of(other);
    }
    if (!told)
      journal_.say(fmt::format("{}  {} message{}:{}", who, mine.size(), mine.size() == 1 ? "" : "s",
                               shortened(mine)));
  }
  return {};
}

Result<> Story::status(const Words&) {
  for (Rank rank = 0; rank < members_.size(); ++rank) {
    if (!cluster_->is_member(rank)) {
      const auto& refused = cluster_->refused(rank);
      journal_.say(fmt::format("{}  {}", name_of(rank),
                               refused                 ? refused->text()
                               : cluster_->alive(rank) ? "asks to be let in"
                                                       : "crashed"));
      continue;
    }
    const auto& turn = cluster_->state(rank);
    std::string line = fmt::format(
        "{}  {}, view {}", name_of(rank),
        !cluster_->alive(rank) ? "crashed" : phase_names[static_cast<std::size_t>(turn.phase())],
        raw(turn.view().id));
    if (!members_[rank].gone) {
      if (turn.arriving()) line += ", without the state yet";
      if (turn.isolated()) line += ", without a majority";
      if (const auto missing = turn.waiting_for(); turn.phase() == Phase::forming)
        line += fmt::format(", waits for {}", missing);
    }
    journal_.say(std::move(line));
  }
  return {};
}

}  // namespace squall::scenarios
