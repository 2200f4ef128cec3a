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
#include "bench/membership/lull.h"
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

/// What the members say after the event, until each survivor has a view without the victim (or with
/// the joiner) and is delivered messages in it, and the victim has ended or left, unless it is
/// stopped, or the joiner is delivered messages, too.
class Survivors {
 public:
  /// `asked`: when the command did what it did.
  Survivors(const MembershipOptions& options, unsigned victim, Time asked)
      : event_(options.event),
        since_(asked),
        view_at_(asked),
        resumed_at_(asked),
        ended_at_(asked) {
    const bool joins = event_ == Event::join;
    heard_.resize(options.members + (joins ? 1 : 0));
    heard_[victim].gone = !joins;
    outcome_.victim = victim;
    ends_ = event_ != Event::stop;
  }

  bool done() const {
    return !ends_ &&
           std::ranges::all_of(heard_, [](const Heard& one) { return one.gone || one.resumed; }) &&
           (event_ != Event::join || lulls_ + 1 == heard_.size());
  }
  Result<> take(const Crew::News& news);
  Outcome outcome() const {
    Outcome outcome = outcome_;
    outcome.view = view_at_ - since_;
    outcome.resumed = resumed_at_ - since_;
    outcome.ended = ended_at_ - since_;
    if (event_ == Event::join) outcome.joined = joined_at_ - since_;
    return outcome;
  }
  /// Those that are not done, by name and what they lack.
  std::string missing() const;

 private:
  struct Heard {
    bool gone = false;
    bool view = false;
    bool resumed = false;
  };
  Result<> take_victim(const Crew::News& news);
  void take_joined(const json& joined);
  void take_lull(const json& lull);
  Result<> take_view(unsigned member, const json& view);

  Event event_;
  Outcome outcome_;   // what is no time since the event
  bool ends_ = true;  // the victim's end is waited for, too
  Time since_;
  Time view_at_, resumed_at_, ended_at_;  // of the last survivor; of the victim
  Time joined_at_{};
  unsigned lulls_ = 0;  // so many have told what it cost them
  std::vector<Heard> heard_;
};

Result<> Survivors::take(const Crew::News& news) {
  if (news.member == outcome_.victim && event_ != Event::join) return take_victim(news);
  Heard& one = heard_[news.member];
  if (auto fine = check(news); !fine) return fine;
  if (news.message->contains("lull")) take_lull((*news.message)["lull"]);
  if (news.message->contains("joined")) {
    take_joined((*news.message)["joined"]);
    one.view = true;  // its first one
  }
  if (news.message->contains("view")) return take_view(news.member, (*news.message)["view"]);
  if (one.view && news.message->contains("resumed")) {
    one.resumed = true;
    resumed_at_ = std::max(resumed_at_, at_of((*news.message)["resumed"]));
  }
  return {};
}

Result<> Survivors::take_victim(const Crew::News& news) {
  if (event_ == Event::leave) {
    if (!ends_) return {};
    if (auto fine = check(news); !fine) return fine;
    // It may still be told to leave while survivors speak: only now is known since when.
    if (news.message->contains("leaving")) since_ = at_of((*news.message)["leaving"]);
    if (!news.message->contains("left")) return {};
    ended_at_ = at_of((*news.message)["left"]);
  } else {
    if (news.message) return {};
    ended_at_ = Monotonic::now();
  }
  ends_ = false;
  log(Level::info, "{} after {} us: {}", member_name(news.member), (ended_at_ - since_) / 1us,
      news.message ? "left" : news.how);
  return {};
}

void Survivors::take_joined(const json& joined) {
  const auto at = [&](const char* key) {
    return Time(Duration(joined.at(key).get<Duration::rep>()));
  };
  since_ = at("asked_ns");
  ended_at_ = at("started_ns");
  joined_at_ = at_of(joined);
  ends_ = false;
  log(Level::info, "the joiner started after {} us, delivered after {} us",
      (ended_at_ - since_) / 1us, (joined_at_ - since_) / 1us);
}

void Survivors::take_lull(const json& lull) {
  const auto raise = [&](Duration Outcome::*to, const char* key) {
    outcome_.*to = std::max(outcome_.*to, Duration(lull.at(key).get<Duration::rep>()));
  };
  raise(&Outcome::pause, "gap_ns");
  raise(&Outcome::normal_pause, "normal_gap_ns");
  raise(&Outcome::slowest, "slowest_ns");
  raise(&Outcome::normal_slowest, "normal_slowest_ns");
  ++lulls_;
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
                fmt::format("member {} came to a view of {} before the event (gone: {})",
                            member_name(member), fmt::join(members, ", "), fmt::join(gone, "; ")));
  if (members != wanted)
    return fail(Code::lost, fmt::format("member {} came to a view of {} in place of {} (gone: {})",
                                        member_name(member), fmt::join(members, ", "),
                                        fmt::join(wanted, ", "), fmt::join(gone, "; ")));
  heard_[member].view = true;
  view_at_ = std::max(view_at_, at_of(view));
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
  const unsigned joiners = options.event == Event::join ? 1 : 0;
  auto crew = Crew::start({{"member", "membership"},
                           options.members + joiners,
                           config,
                           [&](unsigned) {
                             return json{{"event", name_of(options.event)}, {"warm", options.warm}};
                           },
                           joiners});
  if (!crew) return tl::unexpected(crew.error());
  Round round;
  auto ready = gather(*crew, "ready", Monotonic::now() + config.start_timeout + grace,
                      [&](const json& from) {
                        if (from.empty()) return;  // it has not joined yet
                        round.fabric = from.at("fabric");
                        round.timing = {Duration(from.at("heartbeat_ns").get<Duration::rep>()),
                                        Duration(from.at("timeout_ns").get<Duration::rep>())};
                      });
  if (!ready) return tl::unexpected(ready.error());

  // What is normal has to be known before it changes.
  std::this_thread::sleep_for(wait + (joiners > 0 ? 4 * Lull::around : Duration{0}));
  Survivors survivors(options, victim, Monotonic::now());
  if (options.event == Event::leave || options.event == Event::join)
    crew->tell(victim, {{name_of(options.event), true}});
  else
    crew->signal(victim, options.event == Event::kill ? SIGKILL : SIGSTOP);
  round.outcome = hear(*crew, survivors, Monotonic::now() + options.timeout() + grace);
  crew->signal(victim, SIGKILL);  // a stopped one hears no other word
  if (interrupted()) return fail(Code::closed, "interrupted");
  return round;
}

}  // namespace squall::bench
