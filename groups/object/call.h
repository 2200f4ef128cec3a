#pragma once
// A call in flight, and the pool that calls come from. A call is held by its replica until every
// reply is there (or known not to come), and by the futures that its caller keeps; when nobody
// holds it any more, it goes back to the pool with all its memory, so that calls in a steady stream
// allocate nothing.
//
// Threads: begun by any thread, completed where the node turns, waited for and read by any thread.

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

/// Bytes that are few as a rule: those are kept in place. With thousands of calls in flight, memory
/// of their own would be one more line that is not in the cache.
class ReplyBytes {
 public:
  void assign(Bytes bytes) {
    size_ = bytes.size();
    if (size_ <= near_.size()) [[likely]]
      std::copy(bytes.begin(), bytes.end(), near_.begin());
    else
      far_.assign(bytes.begin(), bytes.end());
  }
  /// The same without a copy of what is many.
  void adopt(std::vector<std::byte>&& bytes) {
    if (bytes.size() <= near_.size()) return assign(bytes);
    size_ = bytes.size();
    far_ = std::move(bytes);
  }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator Bytes() const { return {size_ <= near_.size() ? near_.data() : far_.data(), size_}; }

 private:
  std::size_t size_ = 0;
  std::array<std::byte, 16> near_{};
  std::vector<std::byte> far_;
};

/// One member's reply: an encoded result, or an encoded error.
struct Reply {
  NodeId member{};
  bool failed = false;
  Effect effect = Effect::unknown;
  ReplyBytes bytes;

  void take(Bytes result, const std::optional<Error>& error, Effect made) {
    failed = error.has_value();
    effect = made;
    if (!error) [[likely]]
      return bytes.assign(result);
    std::vector<std::byte> text;
    encode_error(text, *error);
    bytes.assign(text);
  }
};

/// Who was in the group when a call was executed. Ranks are those of the view.
struct Roster {
  std::shared_ptr<const View> view;
  std::vector<Rank> members;
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
    watched = 16,
  };

  std::uint64_t id() const { return id_; }
  Pool& pool() const { return *pool_; }
  bool reached(std::uint32_t stages) const {
    return (state_.load(std::memory_order_acquire) & stages) == stages;
  }

  // --- readable once the stage is reached

  std::uint64_t version() const { return version_; }  // first
  const Reply& first_reply() const { return *first_; }
  const Roster& roster() const { return *roster_; }  // own
  const Reply& own_reply() const { return *own_; }
  /// nullptr if that member has none: it was not to reply. Once all are there.
  const Reply* reply_of(NodeId member) const;
  const CallError& failure() const { return *failure_; }

  /// Calls `then` once that stage is reached: at once, or where the node turns. Once per call.
  void watch(Stage stage, std::function<void()> then);

  void hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    // The last holder has nobody to be quicker than.
    if (holders_.load(std::memory_order_acquire) == 1 ||
        holders_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      recycle();
  }

 private:
  friend class Pool;
  friend class Replica;

  void reach(std::uint32_t stages);
  Reply& reply_at(std::uint32_t at) {
    return at < near_.size() ? near_[at] : far_[at - near_.size()];
  }
  const Reply& reply_at(std::uint32_t at) const { return const_cast<Call*>(this)->reply_at(at); }
  /// nullptr: that member has replied already.
  Reply* add_reply(NodeId member, std::uint64_t version);
  void recycle();

  std::atomic<std::uint32_t> state_{0};
  std::atomic<std::uint32_t> holders_{0};
  std::uint64_t id_ = 0;
  Pool* pool_ = nullptr;

  // Where the node turns, until a stage is reached.
  std::atomic<bool> in_flight_{false};  // held by its replica
  bool single_ = false;                 // one reply is all: a read
  bool asks_ = false;                   // a read that is not in the order
  std::uint64_t version_ = 0;
  std::shared_ptr<const Roster> roster_;
  std::uint32_t arrived_ = 0;
  std::uint32_t awaited_ = 0;  // once executed here
  const Reply* first_ = nullptr;
  const Reply* own_ = nullptr;
  std::unique_ptr<CallError> failure_;
  // Replies: those that have arrived, then unused ones; they stay where they are. In a small group
  // they lie beside what is above, and nothing else is touched by most calls.
  std::array<Reply, 2> near_;
  std::deque<Reply> far_;
  // Of a read that is not in the order: the record that asks, in case it has to be asked again.
  std::vector<std::byte> question_;
  NodeId asked_{};                    // whom, for now
  std::optional<std::size_t> shard_;  // any member of it
  std::uint32_t tried_ = 0;           // members of it
  bool latest_ = false;               // here, once ReadRounds says so

  Stage watched_ = all;
  std::function<void()> then_;
};

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
  explicit Pool(Node& node) : node_(&node) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Held once; nullptr if all are in use.
  Call* take();
  /// nullptr if no such call is in flight. Where the node turns.
  Call* find(std::uint64_t id);
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
  bool wait(const Call& call, Call::Stage stage, Time deadline);
  bool in_upcall() const;
  /// The node turns on the calling thread, until another one says so.
  void turned_here() { home_.store(this_thread(), std::memory_order_relaxed); }
  bool at_home() const { return home_.load(std::memory_order_relaxed) == this_thread(); }
  /// The node turns no more; every call is completed.
  void close();
  /// By its replica, which does not use it any more.
  void abandon();

 private:
  friend class Call;
  static constexpr std::size_t chunk_calls = 1024, most_chunks = 64;
  static constexpr int index_bits = 16;
  static constexpr std::size_t most_at_home = 256;
  using Chunk = std::array<Call, chunk_calls>;

  ~Pool();
  bool fetch_home();
  Call* begin(std::uint32_t index);
  void give_back(Call& call);
  void give_back_all(std::size_t but);
  bool grow();
  void notify();

  std::atomic<Node*> node_;
  std::atomic<const void*> home_{nullptr};  // the thread on which the node turns
  std::vector<std::uint32_t> at_home_;      // free, and that thread's
  SpinLock lock_;
  std::vector<std::uint32_t> free_;
  std::array<std::atomic<Chunk*>, most_chunks> chunks_{};
  std::size_t used_chunks_ = 0;
  bool abandoned_ = false;

  // With an engine thread.
  std::atomic<int> waiting_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace squall::objects
