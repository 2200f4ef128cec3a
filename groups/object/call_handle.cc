#include "groups/object/call_handle.h"

#include <atomic>

namespace squall::objects {

/// Why a call was never begun; shared by the copies of a future.
struct CallHandle::Refused {
  CallError why;
  std::atomic<std::uint32_t> holders{1};
};

CallHandle::CallHandle(CallError refused)
    : word_(reinterpret_cast<std::uintptr_t>(new Refused{std::move(refused)}) | is_refused) {}

void CallHandle::hold() const {
  if (Call* const held = call())
    held->hold();
  else
    refused()->holders.fetch_add(1, std::memory_order_relaxed);
}

void CallHandle::release_refused() {
  if (refused()->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete refused();
}

CallResult<const Call*> CallHandle::wait(Call::Stage stage, Time deadline) const {
  if (word_ == 0)
    return tl::unexpected(with_effect({Code::closed, "this future is of no call", ""}, Effect::no));
  Call* const held = call();
  if (held == nullptr) return tl::unexpected(refused()->why);
  if (!held->pool().wait(*held, stage, deadline)) {
    if (held->pool().in_upcall())
      return tl::unexpected(
          with_effect({Code::would_block, "inside an upcall nothing waits for a call",
                       "use `then` or co_await"},
                      Effect::unknown));
    return tl::unexpected(with_effect(
        {Code::timeout, "the call is still under way", "wait for it again; see Group::laggards"},
        Effect::unknown));
  }
  if (held->reached(Call::failed)) return tl::unexpected(held->failure());
  return held;
}

void CallHandle::then(Call::Stage stage, std::function<void()> next) const {
  if (Call* const held = call())
    held->watch(stage, std::move(next));
  else
    next();
}

}  // namespace squall::objects
