#pragma once
// Hears a crew out: the same word from every member.

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "bench/launch/crew.h"
#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

/// Waits until each member has said `key` and hands its value to `take`; other messages are
/// skipped. Code::lost when a member says "failed" or ends; of several the one that is the cause,
/// not whoever failed since it lost that one. Code::timeout at the deadline, Code::closed when
/// `interrupted()`.
Result<> gather(Crew& crew, const char* key, Time deadline,
                const std::function<void(const nlohmann::json&)>& take);

/// What a piece of news says of its member's end, if it is that: it ended, or failed and says why.
Result<> check(const Crew::News& news);

}  // namespace squall::bench
