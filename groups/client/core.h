#pragma once
// What drives a client: the rendezvous that carries its lines, the state machine that decides
// (caller.h), a clock, and perhaps a thread. Private to groups/client; applications see client.h.
//
// One lock is around the machine and the rendezvous; upcalls run without it.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/base/alarm.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "groups/client/ask.h"
#include "groups/client/caller.h"
#include "groups/config.h"

namespace squall::clients {

class Core : public std::enable_shared_from_this<Core> {
 public:
  /// Of all calls that have come to nothing yet; more wait to begin.
  static constexpr std::size_t most_calls = 4096;
  static constexpr std::size_t most_call_bytes = std::size_t{8} << 20;

  /// Returns once a member serves it, or says why none does.
  static Result<std::shared_ptr<Core>> connect(const Config& config);
  ~Core();

  /// How many shards a group has.
  Result<std::size_t> shards(std::string_view group) const;
  TargetId open(const Opening& opening);
  AskHandle begin(TargetId target, Caller::What what, std::uint64_t method,
                  std::vector<std::byte> arguments);
  void listen(TargetId target, std::function<void(Bytes)> notice, std::function<void()> gap);

  bool threaded() const { return thread_.joinable(); }
  /// The caller was called by a turn.
  bool in_upcall() const { return calling_.load() == std::this_thread::get_id(); }
  bool poll() { return !threaded() && !in_upcall() && turn(); }
  void idle(Time until) {
    if (!threaded() && !in_upcall()) sleep(until);
  }
  void wake();
  int fd();
  /// Ends every call and every line. Not from inside an upcall.
  void close();
  std::string server(TargetId target);
  /// False at the deadline, and inside an upcall.
  bool wait(const Ask& ask, Time deadline);

 private:
  struct Listener {
    std::function<void(Bytes)> notice;
    std::function<void()> gap;
  };

  Core(const Config& config, std::vector<std::string> names,
       std::vector<std::pair<std::string, std::size_t>> groups,
       std::unique_ptr<fabric::Rendezvous> rendezvous, int doorbell);
  bool turn();
  void handle(const fabric::Rendezvous::Event& event, Time now);
  void act();
  void sleep(Time until);
  void quiet_doorbell();
  bool wait_for_room(std::unique_lock<std::mutex>& lock);
  void call(const std::function<void()>& upcall);

  const std::vector<std::string> names_;                           // of contacts
  const std::vector<std::pair<std::string, std::size_t>> groups_;  // with their shards
  const int doorbell_;                                             // eventfd

  std::mutex mutex_;
  std::condition_variable changed_;  // with a thread: answers came
  std::unique_ptr<fabric::Rendezvous> rendezvous_;
  std::optional<Alarm> alarm_;  // of who asked for fd()
  Caller caller_;
  std::unordered_map<CallNumber, std::shared_ptr<Ask>> asks_;
  std::map<TargetId, std::shared_ptr<const Listener>> listeners_;
  std::vector<fabric::Rendezvous::Event> events_;
  bool visited_ = false;  // what became of that may be known without waiting
  bool closed_ = false;

  std::atomic<std::thread::id> calling_{};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace squall::clients
