#pragma once
// What futures hold: a call, or why there is none. Copies are of the same call; each is used by one
// thread at a time.

#include <cstdint>
#include <functional>
#include <utility>

#include "core/base/time.h"
#include "groups/object/call.h"

namespace squall::objects {

/// Holds a call once, or says why there is none. One word, since there are thousands of them.
class CallHandle {
 public:
  CallHandle() = default;
  explicit CallHandle(Call* held) : word_(reinterpret_cast<std::uintptr_t>(held)) {}
  explicit CallHandle(CallError refused);
  CallHandle(const CallHandle& other) : word_(other.word_) {
    if (word_ != 0) hold();
  }
  CallHandle(CallHandle&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  CallHandle& operator=(CallHandle other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~CallHandle() {
    if (word_ == 0) return;
    if (Call* const held = call(); held != nullptr) [[likely]]
      held->release();
    else
      release_refused();
  }

  bool ready(Call::Stage stage) const {
    const Call* const held = call();
    return held == nullptr || held->reached(stage);
  }
  /// The call at that stage, or why it never gets there, or has not.
  CallResult<const Call*> wait(Call::Stage stage, Time deadline) const;
  /// The same without waiting; nullptr: ask `wait`.
  const Call* there(Call::Stage stage) const {
    const Call* const held = call();
    return held != nullptr && held->reached(stage) && !held->reached(Call::failed) ? held : nullptr;
  }
  void then(Call::Stage stage, std::function<void()> next) const;

 private:
  struct Refused;
  static constexpr std::uintptr_t is_refused = 1;
  /// nullptr: there is none.
  Call* call() const {
    return (word_ & is_refused) != 0 ? nullptr : reinterpret_cast<Call*>(word_);
  }
  Refused* refused() const { return reinterpret_cast<Refused*>(word_ & ~is_refused); }
  void hold() const;
  void release_refused();

  std::uintptr_t word_ = 0;  // a Call, or a Refused with the last bit set
};

}  // namespace squall::objects
