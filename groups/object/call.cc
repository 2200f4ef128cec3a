#include "groups/object/call.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "groups/node.h"

namespace squall::objects {
namespace {

/// Code of the application's, which may throw what it likes.
void run(const std::function<void()>& then) {
  try {
    then();
  } catch (const std::exception& error) {
    log(Level::error, "what was to follow a call threw: {}", error.what());
  } catch (...) {
    log(Level::error, "what was to follow a call threw");
  }
}

}  // namespace

void SpinLock::pause() {
  sched_yield();
}

void Call::watch(Stage stage, std::function<void()> then) {
  watched_ = stage;
  then_ = std::move(then);
  if ((state_.fetch_or(watched, std::memory_order_acq_rel) & stage) == 0) return;
  // Nobody else will.
  run(std::exchange(then_, {}));
}

void Call::reach(std::uint32_t stages) {
  // Sequentially consistent, as is the count of those who wait: either we see them, or they us.
  const std::uint32_t before = state_.fetch_or(stages, std::memory_order_seq_cst);
  if (pool_->waiting_.load(std::memory_order_seq_cst) != 0) pool_->notify();
  if ((before & watched) != 0 && (before & watched_) == 0 && (stages & watched_) != 0)
    run(std::exchange(then_, {}));
}

const Reply* Call::reply_of(NodeId member) const {
  for (std::uint32_t at = 0; at < arrived_; ++at)
    if (replies_[at].member == member) return &replies_[at];
  return nullptr;
}

Reply* Call::add_reply(NodeId member, std::uint64_t version) {
  if (reply_of(member) != nullptr) return nullptr;
  if (arrived_ == replies_.size()) replies_.emplace_back();
  Reply& reply = replies_[arrived_];
  if (arrived_++ == 0) {
    first_ = &reply;
    version_ = version;
  }
  reply.member = member;
  return &reply;
}

void Call::release() {
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) recycle();
}

void Call::recycle() {
  state_.store(0, std::memory_order_relaxed);
  single_ = false;
  asked_ = NodeId{};
  shard_.reset();
  tried_ = 0;
  latest_ = false;
  awaited_ = arrived_ = 0;
  if (failure_) failure_.reset();
  if (then_) then_ = {};
  pool_->give_back(*this);
}

Pool::~Pool() {
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

bool Pool::grow() {
  if (used_chunks_ == most_chunks) return false;
  auto* const chunk = new Chunk;
  const std::size_t first = used_chunks_ * chunk_calls;
  free_.reserve(first + chunk_calls);
  for (std::size_t at = chunk_calls; at-- > 0;) {
    (*chunk)[at].pool_ = this;
    (*chunk)[at].id_ = first + at;
    free_.push_back(static_cast<std::uint32_t>(first + at));
  }
  chunks_[used_chunks_++].store(chunk, std::memory_order_release);
  return true;
}

Call* Pool::take() {
  std::uint32_t index = 0;
  {
    const std::lock_guard lock(lock_);
    if (free_.empty() && !grow()) return nullptr;
    index = free_.back();
    free_.pop_back();
  }
  Chunk& chunk = *chunks_[index / chunk_calls].load(std::memory_order_relaxed);
  Call& call = chunk[index % chunk_calls];
  call.id_ += std::uint64_t{1} << index_bits;
  call.holders_.store(1, std::memory_order_relaxed);
  return &call;
}

void Pool::give_back(Call& call) {
  bool last = false;
  {
    const std::lock_guard lock(lock_);
    free_.push_back(static_cast<std::uint32_t>(call.id_ & ((1u << index_bits) - 1)));
    last = abandoned_ && free_.size() == used_chunks_ * chunk_calls;
  }
  if (last) delete this;
}

void Pool::abandon() {
  bool last = false;
  {
    const std::lock_guard lock(lock_);
    abandoned_ = true;
    last = free_.size() == used_chunks_ * chunk_calls;
  }
  if (last) delete this;
}

Call* Pool::find(std::uint64_t id) {
  const std::size_t index = id & ((1u << index_bits) - 1);
  Chunk* const chunk = chunks_[index / chunk_calls].load(std::memory_order_acquire);
  if (chunk == nullptr) return nullptr;
  Call& call = (*chunk)[index % chunk_calls];
  return call.in_flight_.load(std::memory_order_acquire) && call.id_ == id ? &call : nullptr;
}

void Pool::notify() {
  { const std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

bool Pool::in_upcall() const {
  const Node* const node = node_.load(std::memory_order_acquire);
  return node != nullptr && node->in_upcall();
}

bool Pool::wait(const Call& call, Call::Stage stage, Time deadline) {
  const auto there = [&] { return call.reached(stage); };
  if (there()) return true;
  Node* const node = node_.load(std::memory_order_acquire);
  if (node == nullptr || node->in_upcall()) return there();
  if (node->threaded()) {
    waiting_.fetch_add(1, std::memory_order_seq_cst);
    std::unique_lock lock(mutex_);
    // The longest that the clock under it can say.
    const auto until = std::chrono::steady_clock::now() +
                       std::min<Duration>(deadline - node->now(), std::chrono::hours(24 * 365));
    const bool in_time = changed_.wait_until(lock, until, there);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    return in_time;
  }
  // A turn may close the node's objects, and then completes every call.
  while (!there()) {
    const Time now = node->now();
    if (now >= deadline) return false;
    if (!node->poll() && !there())
      node->idle(std::min(deadline, now + std::chrono::milliseconds(1)));
  }
  return true;
}

}  // namespace squall::objects
