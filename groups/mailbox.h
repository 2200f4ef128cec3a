#pragma once
// Work that other threads hand to the one that turns a node. Private to groups/.

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace squall {

/// The flag keeps it free when it is empty.
class Mailbox {
 public:
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    waiting_.store(true, std::memory_order_release);
  }
  void run() {
    if (!waiting_.load(std::memory_order_acquire)) return;
    std::vector<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(work_);
      waiting_.store(false, std::memory_order_relaxed);
    }
    for (const auto& each : work) each();
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> work_;
  std::atomic<bool> waiting_{false};
};

}  // namespace squall
