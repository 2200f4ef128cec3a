#include "groups/object/future.h"

namespace squall::objects {

CallResult<const Call*> CallHandle::wait(Call::Stage stage, Time deadline) const {
  if (call_ == nullptr) {
    if (refused_) return tl::unexpected(*refused_);
    return tl::unexpected(with_effect({Code::closed, "this future is of no call", ""}, Effect::no));
  }
  if (!call_->pool().wait(*call_, stage, deadline)) {
    if (call_->pool().in_upcall())
      return tl::unexpected(
          with_effect({Code::would_block, "inside an upcall nothing waits for a call",
                       "use `then` or co_await"},
                      Effect::unknown));
    return tl::unexpected(with_effect(
        {Code::timeout, "the call is still under way", "wait for it again; see Group::laggards"},
        Effect::unknown));
  }
  if (call_->reached(Call::failed)) return tl::unexpected(call_->failure());
  return call_;
}

void CallHandle::then(Call::Stage stage, std::function<void()> next) const {
  if (call_ == nullptr)
    next();
  else
    call_->watch(stage, std::move(next));
}

}  // namespace squall::objects
