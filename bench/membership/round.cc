#include "bench/membership/round.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "bench/launch/crew.h"
#include "bench/launch/gather.h"
#include "bench/launch/interrupt.h"
#include "bench/membership/member.h"
#include "core/base/log.h"

namespace squall::bench {
namespace {

using nlohmann::json;

/// Over everything else, before a round counts as hung.
constexpr Duration grace = 10s;

Time at_of(const json& from) {
  return Time(Duration(from.at("at_ns").get<Duration::rep>()));
}

/// What the survivors say after the signal, until each has a view without the victim, and is
/// delivered messages in it.
class Survivors {
 public:
  /// `ends`: the victim's end is waited for too.
  Survivors(unsigned members, unsigned victim, bool ends, Time since) : ends_(ends), since_(since) {
    heard_.resize(members);
    heard_[victim].gone = true;
    outcome_.victim = victim;
  }

  bool done() const {
    return !ends_ &&
           std::ranges::all_of(heard_, [](const Heard& one) { return one.gone || one.resumed; });
  }
  Result<> take(const Crew::News& news);
  const Outcome& outcome() const { return outcome_; }
  /// Those that are not done, by name and what they lack.
  std::string missing() const;

 private:
  struct Heard {
    bool gone = false;
    bool view = false;
    bool resumed = false;
  };
  Result<> take_view(unsigned member, const json& view);

  bool ends_;
  Time since_;
  std::vector<Heard> heard_;
  Outcome outcome_;
};

Result<> Survivors::take(const Crew::News& news) {
  Heard& one = heard_[news.member];
  if (one.gone) {
    if (news.message) return {};
    outcome_.ended = Monotonic::now() - since_;
    ends_ = false;
    log(Level::info, "{} after {} us: {}", member_name(news.member), outcome_.ended / 1us,
        news.how);
    return {};
  }
  if (auto fine = check(news); !fine) return fine;
  if (news.message->contains("view")) return take_view(news.member, (*news.message)["view"]);
  if (one.view && news.message->contains("resumed")) {
    one.resumed = true;
    outcome_.resumed = std::max(outcome_.resumed, at_of((*news.message)["resumed"]) - since_);
  }
  return {};
}

Result<> Survivors::take_view(unsigned member, const json& view) {
  const std::vector<std::string> members = view.at("members");
  std::vector<std::string> wanted;
  for (unsigned i = 0; i < heard_.size(); ++i)
    if (!heard_[i].gone) wanted.push_back(member_name(i));
  const std::vector<std::string> gone = view.at("gone");
  const Duration took = at_of(view) - since_;
  log(Level::info, "{} after {} us: view of {}; gone: {}", member_name(member), took / 1us,
      fmt::join(members, ", "), fmt::join(gone, "; "));
  if (took < Duration{0})
    return fail(Code::lost,
                fmt::format("member {} came to a view of {} before the signal (gone: {})",
                            member_name(member), fmt::join(members, ", "), fmt::join(gone, "; ")));
  if (members != wanted)
    return fail(Code::lost, fmt::format("member {} came to a view of {} in place of {} (gone: {})",
                                        member_name(member), fmt::join(members, ", "),
                                        fmt::join(wanted, ", "), fmt::join(gone, "; ")));
  heard_[member].view = true;
  outcome_.view = std::max(outcome_.view, took);
  return {};
}

std::string Survivors::missing() const {
  std::vector<std::string> names;
  for (unsigned i = 0; i < heard_.size(); ++i)
    if (!heard_[i].gone && !heard_[i].resumed)
      names.push_back(fmt::format("{} ({})", member_name(i),
                                  heard_[i].view ? "no delivery in the new view" : "no new view"));
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<Outcome> hear(Crew& crew, Survivors& survivors, Time deadline) {
  while (!survivors.done()) {
    const auto news = crew.next(deadline);
    if (interrupted()) return fail(Code::closed, "interrupted");
    if (!news)
      return fail(Code::timeout,
                  fmt::format("these members did not go on in time: {}", survivors.missing()));
    if (auto taken = survivors.take(*news); !taken) return tl::unexpected(taken.error());
  }
  return survivors.outcome();
}

}  // namespace

Result<Round> run_round(const MembershipOptions& options, unsigned victim, Duration wait) {
  Config config;
  config.provider = options.fabric;
  config.failure_timeout = options.timeout();
  GroupConfig group;
  group.name = membership_group;
  group.stack = membership_stack;
  config.groups = {group};
  auto crew = Crew::start(
      {{"member", "membership"}, options.members, config, [](unsigned) { return json::object(); }});
  if (!crew) return tl::unexpected(crew.error());
  Round round;
  auto ready = gather(*crew, "ready", Monotonic::now() + config.start_timeout + grace,
                      [&](const json& from) { round.fabric = from.at("fabric"); });
  if (!ready) return tl::unexpected(ready.error());

  std::this_thread::sleep_for(wait);
  const Time since = Monotonic::now();
  crew->signal(victim, options.event == Event::kill ? SIGKILL : SIGSTOP);
  Survivors survivors(options.members, victim, options.event == Event::kill, since);
  round.outcome = hear(*crew, survivors, since + options.timeout() + grace);
  crew->signal(victim, SIGKILL);  // a stopped one hears no other word
  if (interrupted()) return fail(Code::closed, "interrupted");
  return round;
}

}  // namespace squall::bench
