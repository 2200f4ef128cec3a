#include "bench/launch/gather.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/launch/interrupt.h"

namespace squall::bench {
namespace {

using nlohmann::json;

/// What members that lose one another need to say so, all of them.
constexpr Duration to_hear_the_cause = 1s;

/// It failed since it lost another: that one knows why.
bool lost_another(const Crew::News& news) {
  return news.message && news.message->value("lost_another", false);
}

/// One that failed takes the others with it, and may be heard after them.
Error cause(Crew& crew, const Crew::News& first, const Error& error) {
  std::vector<bool> failed(crew.size(), false);
  failed[first.member] = true;
  if (!lost_another(first)) return error;
  const Time deadline = Monotonic::now() + to_hear_the_cause;
  while (std::find(failed.begin(), failed.end(), false) != failed.end()) {
    const auto news = crew.next(deadline);
    if (!news) break;
    const auto fine = check(*news);
    if (fine || failed[news->member]) continue;
    if (!lost_another(*news)) return fine.error();
    failed[news->member] = true;
  }
  return error;
}

}  // namespace

Result<> check(const Crew::News& news) {
  const std::string who = member_name(news.member);
  if (!news.message)
    return fail(Code::lost, fmt::format("member {} ended unexpectedly ({})", who, news.how));
  if (news.message->contains("failed"))
    return fail(Code::lost, fmt::format("member {}: {}", who, news.message->value("failed", "")));
  return {};
}

Result<> gather(Crew& crew, const char* key, Time deadline,
                const std::function<void(const json&)>& take) {
  std::vector<bool> heard(crew.size(), false);
  while (std::find(heard.begin(), heard.end(), false) != heard.end()) {
    const auto news = crew.next(deadline);
    if (interrupted()) return fail(Code::closed, "interrupted");
    if (!news) return fail(Code::timeout, fmt::format("not every member got to '{}' in time", key));
    if (auto fine = check(*news); !fine) return tl::unexpected(cause(crew, *news, fine.error()));
    if (!news->message->contains(key)) continue;
    take((*news->message)[key]);
    heard[news->member] = true;
  }
  return {};
}

}  // namespace squall::bench
