#pragma once
// A client's call: what it has come to, and who waits for that. Held by the client until it is
// answered and by the futures that its caller keeps.
//
// Threads: begun by any thread, answered where the client turns, waited for by any thread.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/object/call.h"

namespace squall::clients {

class Core;

class Ask {
 public:
  Ask(std::shared_ptr<Core> core, bool update) : core_(std::move(core)), update_(update) {}

  bool answered() const { return answered_.load(std::memory_order_acquire); }
  /// Once it is answered.
  const objects::Reply& reply() const { return reply_; }
  std::uint64_t version() const { return version_; }

  /// Once, by the client.
  void answer(objects::Reply reply, std::uint64_t version);
  /// Nobody will answer it; an update may have been executed.
  void close(const Error& why);
  /// At once if it is answered, else where the client turns. Once.
  void watch(std::function<void()> then);
  Core& core() const { return *core_; }

 private:
  const std::shared_ptr<Core> core_;
  const bool update_;
  objects::Reply reply_;
  std::uint64_t version_ = 0;
  std::atomic<bool> answered_{false};
  std::mutex mutex_;
  std::function<void()> then_;
};

/// What a future holds (groups/object/future.h). A client's call has one stage.
class AskHandle {
 public:
  explicit AskHandle(std::shared_ptr<Ask> ask) : ask_(std::move(ask)) {}
  explicit AskHandle(CallError refused) : refused_(std::move(refused)) {}

  bool ready(objects::Call::Stage) const { return ask_ == nullptr || ask_->answered(); }
  CallResult<const Ask*> wait(objects::Call::Stage stage, Time deadline) const;
  void then(objects::Call::Stage stage, std::function<void()> next) const;

 private:
  std::shared_ptr<Ask> ask_;
  CallError refused_;  // never begun, if there is none
};

}  // namespace squall::clients
