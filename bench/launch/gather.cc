#include "bench/launch/gather.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/launch/interrupt.h"

namespace squall::bench {

using nlohmann::json;

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
    if (auto fine = check(*news); !fine) return fine;
    if (!news->message->contains(key)) continue;
    take((*news->message)[key]);
    heard[news->member] = true;
  }
  return {};
}

}  // namespace squall::bench
