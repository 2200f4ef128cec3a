#pragma once
// A call in flight, and the pool that calls come from. A call is in use until every reply is there
// (or known not to come), and as long as futures hold it; then it goes back to the pool with all
// its memory, so that calls in a steady stream allocate nothing.
//
// Threads: begun by any thread, completed where the node turns, waited for and read by any thread.
// Where the node turns nothing of this is an atomic read-modify-write: that would wait for every
// store before it, and many of those are to cache lines that a peer has taken. So whoever is
// elsewhere hands over what only that thread may do: let go of a call that is in flight, and watch.

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/this_thread.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "groups/object/reply.h"
#include "groups/object/wire.h"

namespace squall {

class Node;

using Effect = objects::Effect;

/// What went wrong with a call, and whether it took effect all the same.
struct CallError : Error {
  Effect effect = Effect::unknown;

  friend bool operator==(const CallError& left, const CallError& right) {
    return left.code == right.code && left.what == right.what && left.remedy == right.remedy &&
           left.effect == right.effect;
  }
};

inline CallError with_effect(Error error, Effect effect) {
  CallError all;
  static_cast<Error&>(all) = std::move(error);
  all.effect = effect;
  return all;
}

template <class T>
using CallResult = tl::expected<T, CallError>;

}  // namespace squall

namespace squall::objects {

/// Who was in the group when a call was executed. Ranks are those of the view.
struct Roster {
  std::shared_ptr<const View> view;
  std::vector<Rank> members;
  NodeId self{};
};

class Pool;

class alignas(64) Call {
 public:
  /// What there is to wait for. A call that failed as a whole has it all.
  enum Stage : std::uint32_t {
    first = 1,   ///< a reply of anybody
    own = 2,     ///< this replica has executed it: it has its version
    all = 4,     ///< of everybody
    failed = 8,  ///< with `failure`, and there are no replies
  };

  CallNumber id() const { return static_cast<CallNumber>(id_); }
  Pool& pool() const { return *pool_; }
  bool reached(std::uint32_t stages) const {
    return (state_.load(std::memory_order_acquire) & stages) == stages;
  }

  // --- readable once the stage is reached

  const Reply& first_reply() const { return first_; }  // first
  std::uint64_t version() const { return version_; }   // own
  const Roster& roster() const { return *roster_; }
  const Reply& own_reply() const { return *own_; }
  /// nullptr if that member has none: it was not to reply. Once all are there. What is equal for
  /// several members is kept once, and says the name of the first of them.
  const Reply* reply_of(NodeId member) const;
  const CallError& failure() const { return *rest_->failure; }

  /// Calls `then` once that stage is reached: at once, or where the node turns. Once per call.
  void watch(Stage stage, std::function<void()> then);

  /// By the futures: a call that is begun is held once.
  void hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    std::uint32_t holders = holders_.load(std::memory_order_acquire);
    while (holders > 1)
      [[unlikely]] if (holders_.compare_exchange_weak(holders, holders - 1,
                                                      std::memory_order_acq_rel,
                                                      std::memory_order_acquire)) return;
    let_go();
  }

 private:
  friend class Pool;
  friend class Replica;

  /// What most calls have not.
  struct Rest {
    std::deque<Reply> others;  // that differ from the first; kept for their memory
    std::size_t others_used = 0;
    std::unique_ptr<CallError> failure;
    // Of a read that is not in the order: the record that asks, in case it has to be asked again.
    std::vector<std::byte> question;
    NodeId asked{};                    // whom, for now
    std::optional<std::size_t> shard;  // any member of it
    std::uint32_t tried = 0;           // members of it
    bool latest = false;               // here, once ReadRounds says so
    std::function<void()> then;
  };
  Rest& rest() {
    if (!rest_) [[unlikely]]
      rest_ = std::make_unique<Rest>();
    return *rest_;
  }
  bool latest() const { return asks_ && rest_->latest; }
  NodeId asked() const { return asks_ ? rest_->asked : NodeId{}; }

  // Where the node turns; and elsewhere once it turns no more.
  void reach(std::uint32_t stages);
  /// nullptr: that member has replied already.
  [[gnu::always_inline]] const Reply* add_reply(NodeId member, bool has_failed, Effect effect,
                                                Bytes bytes) {
    if (arrived_ == 0) {
      first_.member = member;
      first_.failed = has_failed;
      first_.effect = effect;
      first_.bytes.assign(bytes);
      arrived_ = 1;
      return &first_;
    }
    if (has_reply_of(member)) return nullptr;
    ++arrived_;
    if (first_.failed == has_failed && first_.effect == effect && same_used_ < same_.size() &&
        first_.bytes.equals(bytes)) [[likely]] {
      same_[same_used_++] = member;
      return &first_;
    }
    return add_other(member, has_failed, effect, bytes);
  }
  bool has_reply_of(NodeId member) const {
    if (first_.member == member) return true;
    for (unsigned at = 0; at < same_used_; ++at)
      if (same_[at] == member) return true;
    return rest_ && other_of(member) != nullptr;
  }
  const Reply* add_other(NodeId member, bool has_failed, Effect effect, Bytes bytes);
  const Reply* other_of(NodeId member) const;
  void let_go();
  void let_go_in_flight();
  void call_watcher();
  void recycle();
  void clear_rest();

  std::atomic<std::uint32_t> state_{0};
  std::atomic<std::uint32_t> holders_{0};  // 0 only where the node turns, until it is completed
  std::uint64_t id_ = 0;
  Pool* pool_ = nullptr;

  // Where the node turns, until a stage is reached.
  std::uint64_t version_ = 0;
  std::shared_ptr<const Roster> roster_;
  const Reply* own_ = nullptr;
  std::atomic<bool> in_flight_{false};  // not all is there yet, and its replica works on it
  bool single_ : 1 = false;             // one reply is all: a read
  bool asks_ : 1 = false;               // a read that is not in the order
  std::uint8_t watched_ = 0;            // a Stage: for `then`
  std::uint8_t same_used_ = 0;
  std::uint16_t arrived_ = 0;
  std::uint16_t awaited_ = 0;  // once executed here
  std::unique_ptr<Rest> rest_;
  Reply first_;
  // Who has replied the same: replicas that are equal do. In a small group all of a call lies in
  // two cache lines.
  std::array<NodeId, 2> same_;
};
static_assert(sizeof(Call) == 128);

/// Short, and never held across a call.
class SpinLock {
 public:
  void lock() {
    while (locked_.exchange(true, std::memory_order_acquire)) pause();
  }
  void unlock() { locked_.store(false, std::memory_order_release); }

 private:
  static void pause();
  std::atomic<bool> locked_{false};
};

/// At most 65,536 calls in flight or held. It ends once its replica is gone and no call is held.
/// Where the node turns, calls are taken and given back without a lock, from some that are kept
/// there.
class Pool {
 public:
  explicit Pool(Node& node);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Held once; nullptr if all are in use.
  Call* take() {
    if (!at_home()) [[unlikely]]
      return take_elsewhere();
    if (home_count_ == 0 && !fetch_home()) [[unlikely]]
      return nullptr;
    return begin(*at_home_[--home_count_]);
  }
  /// nullptr if no such call is in flight. Where the node turns.
  Call* find(std::uint64_t id) {
    const std::size_t index = id & index_mask;
    Chunk* const chunk = chunks_[index / chunk_calls].load(std::memory_order_relaxed);
    if (chunk == nullptr) [[unlikely]]
      return nullptr;
    Call& call = (*chunk)[index % chunk_calls];
    return call.in_flight_.load(std::memory_order_acquire) && call.id_ == id ? &call : nullptr;
  }
  /// Of each call in flight. Where the node turns.
  template <class Visit>
  void each(Visit visit) {
    for (auto& slot : chunks_)
      if (Chunk* chunk = slot.load(std::memory_order_acquire))
        for (Call& call : *chunk)
          if (call.in_flight_.load(std::memory_order_acquire)) visit(call);
  }

  /// Waits until a stage is reached: turns the node in poll-driven mode. False at the deadline, and
  /// at once inside an upcall.
  bool wait(const Call& call, Call::Stage stage, Time deadline) {
    return call.reached(stage) || wait_longer(call, stage, deadline);
  }
  bool in_upcall() const;
  /// The node turns on the calling thread, until another one says so; it does what others have left
  /// for it, and tells those who wait. After whatever completes calls.
  void turned_here() {
    home_.store(this_thread(), std::memory_order_relaxed);
    if (errands_left_.load(std::memory_order_relaxed)) [[unlikely]]
      run_errands();
    if (news_) tell();
  }
  bool at_home() const { return home_.load(std::memory_order_relaxed) == this_thread(); }
  /// The node turns no more; every call is completed.
  void close();
  /// By its replica, which does not use it any more.
  void abandon();

 private:
  friend class Call;
  static constexpr std::size_t chunk_calls = 1024, most_chunks = 64;
  static constexpr int index_bits = 16;
  static constexpr std::uint64_t index_mask = (1u << index_bits) - 1;
  // Above the index: how often that place was used, or a late reply would be its successor's.
  static constexpr std::uint64_t id_mask = (std::uint64_t{1} << call_bits) - 1;
  static constexpr std::size_t most_at_home = 256;
  using Chunk = std::array<Call, chunk_calls>;

  /// What another thread leaves to the one on which the node turns.
  struct Errand {
    Call* call = nullptr;
    Call::Stage stage{};
    std::function<void()> then;  // none: the call is let go of
  };

  ~Pool();
  bool fetch_home();
  Call* take_elsewhere();
  Call* begin(Call& call) {
    call.id_ = (call.id_ + (std::uint64_t{1} << index_bits)) & id_mask;
    call.holders_.store(1, std::memory_order_relaxed);
    return &call;
  }
  void give_back(Call& call) {
    if (!at_home()) [[unlikely]]
      return give_back_elsewhere(call);
    // Others take them, too.
    if (home_count_ == most_at_home) [[unlikely]]
      give_back_all(most_at_home / 2);
    at_home_[home_count_++] = &call;
  }
  void give_back_elsewhere(Call& call);
  void give_back_all(std::size_t but);
  bool grow();
  /// False: nobody will do it, since the node turns no more.
  bool leave(Errand errand);
  void run_errands();
  /// Calls were completed.
  void note_news();
  void tell();
  void notify();
  bool wait_longer(const Call& call, Call::Stage stage, Time deadline);

  std::atomic<Node*> node_;
  const bool threaded_;
  bool news_ = false;                       // with an engine thread, and that thread's
  std::atomic<const void*> home_{nullptr};  // the thread on which the node turns
  std::atomic<bool> errands_left_{false};
  std::size_t home_count_ = 0;
  std::array<Call*, most_at_home> at_home_{};  // free, and that thread's
  SpinLock lock_;
  std::vector<Call*> free_;
  std::array<std::atomic<Chunk*>, most_chunks> chunks_{};
  std::size_t used_chunks_ = 0;
  bool abandoned_ = false;

  std::mutex mutex_;
  std::vector<Errand> errands_;
  bool closed_ = false;
  // With an engine thread.
  std::atomic<int> waiting_{0};
  std::condition_variable changed_;
};

inline void Call::reach(std::uint32_t stages) {
  // Nobody else writes it.
  state_.store(state_.load(std::memory_order_relaxed) | stages, std::memory_order_release);
  if (pool_->threaded_) [[unlikely]]
    pool_->note_news();
  if ((watched_ & stages) != 0) [[unlikely]]
    call_watcher();
}

inline void Call::let_go() {
  if (in_flight_.load(std::memory_order_acquire)) [[unlikely]]
    return let_go_in_flight();
  recycle();
}

inline void Call::recycle() {
  state_.store(0, std::memory_order_relaxed);
  single_ = asks_ = false;
  awaited_ = arrived_ = 0;
  same_used_ = 0;
  if (rest_) [[unlikely]]
    clear_rest();
  pool_->give_back(*this);
}

}  // namespace squall::objects
