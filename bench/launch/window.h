#pragma once
// One window that all members of a crew measure in: how the command sets it and hears the results,
// how a member waits for it, reports and ends. What is measured in it is the member's business.
// Times are of Monotonic, which the processes of a host share.

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "bench/launch/crew.h"
#include "bench/launch/link.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/node.h"

namespace squall::bench {

struct Window {
  Time alone;  ///< until then, only what is measured by itself
  Time start;  ///< what happened before does not count
  Time end;
};

// --- a member

/// One turn of its node; an error ends the member.
using TurnNode = std::function<Result<>()>;

/// Says that it is `ready`, and turns until the command says when. Code::closed: that is gone.
Result<Window> await_window(Link& link, const nlohmann::json& ready, const TurnNode& turn);

/// Says the `result`. Turns until it is told to stop, since the others may still be measuring and
/// need its turns; then leaves in good order.
Result<> finish_window(Link& link, Node& node, const nlohmann::json& result, const TurnNode& turn);

// --- the command

struct WindowPlan {
  Duration to_be_ready{0};  ///< from now; then it counts as hung, as when results are late
  Duration alone{0};        ///< from the last one's being ready
  Duration warm_up{0};      ///< after that: queues fill, caches and clocks settle
  double seconds = 1;
  Duration grace{0};  ///< for results, after the end
};

/// Waits until all are ready, sets the window, takes what each says, and dismisses them. Errors are
/// those of `gather`.
Result<> run_window(Crew& crew, const WindowPlan& plan,
                    const std::function<void(const nlohmann::json&)>& ready,
                    const std::function<void(const nlohmann::json&)>& result);

}  // namespace squall::bench
