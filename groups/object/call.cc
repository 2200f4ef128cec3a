#include "groups/object/call.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "groups/node.h"

namespace squall::objects {
namespace {

/// Turns that worked between two of them.
constexpr unsigned looks_at_the_clock = 64;

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
    if (const Reply& reply = reply_at(at); reply.member == member) return &reply;
  return nullptr;
}

Reply* Call::add_reply(NodeId member, std::uint64_t version) {
  if (reply_of(member) != nullptr) return nullptr;
  if (arrived_ == near_.size() + far_.size()) far_.emplace_back();
  Reply& reply = reply_at(arrived_);
  if (arrived_++ == 0) {
    first_ = &reply;
    version_ = version;
  }
  reply.member = member;
  return &reply;
}

void Call::recycle() {
  if ((state_.load(std::memory_order_relaxed) & watched) != 0) then_ = {};
  state_.store(0, std::memory_order_relaxed);
  single_ = false;
  if (asks_) {
    asks_ = latest_ = false;
    asked_ = NodeId{};
    shard_.reset();
    tried_ = 0;
  }
  awaited_ = arrived_ = 0;
  if (failure_) failure_.reset();
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
  if (at_home()) {
    if (at_home_.empty() && !fetch_home()) return nullptr;
    index = at_home_.back();
    at_home_.pop_back();
    return begin(index);
  }
  {
    const std::lock_guard lock(lock_);
    if (free_.empty() && !grow()) return nullptr;
    index = free_.back();
    free_.pop_back();
  }
  return begin(index);
}

/// False: there are none.
bool Pool::fetch_home() {
  const std::lock_guard lock(lock_);
  if (free_.empty() && !grow()) return false;
  const auto count = static_cast<std::ptrdiff_t>(std::min(free_.size(), most_at_home / 2));
  at_home_.insert(at_home_.end(), free_.end() - count, free_.end());
  free_.resize(free_.size() - static_cast<std::size_t>(count));
  return true;
}

Call* Pool::begin(std::uint32_t index) {
  Chunk& chunk = *chunks_[index / chunk_calls].load(std::memory_order_relaxed);
  Call& call = chunk[index % chunk_calls];
  call.id_ += std::uint64_t{1} << index_bits;
  call.holders_.store(1, std::memory_order_relaxed);
  return &call;
}

void Pool::give_back(Call& call) {
  const auto index = static_cast<std::uint32_t>(call.id_ & ((1u << index_bits) - 1));
  if (at_home()) {
    at_home_.push_back(index);
    // Others take them, too.
    if (at_home_.size() > most_at_home) give_back_all(most_at_home / 2);
    return;
  }
  bool last = false;
  {
    const std::lock_guard lock(lock_);
    free_.push_back(index);
    last = abandoned_ && free_.size() == used_chunks_ * chunk_calls;
  }
  if (last) delete this;
}

/// What is at home, but for so many.
void Pool::give_back_all(std::size_t but) {
  const std::lock_guard lock(lock_);
  free_.insert(free_.end(), at_home_.begin() + static_cast<std::ptrdiff_t>(but), at_home_.end());
  at_home_.resize(but);
}

void Pool::close() {
  node_.store(nullptr, std::memory_order_release);
  home_.store(nullptr, std::memory_order_relaxed);
  give_back_all(0);
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
  bool worked = false;
  for (unsigned turns = 0; !there(); ++turns) {
    // The clock costs as much as the rest of a short turn.
    const bool looks = deadline != never && (!worked || turns % looks_at_the_clock == 0);
    if (looks && node->now() >= deadline) return false;
    worked = node->poll();
    if (!worked && !there())
      node->idle(std::min(deadline, node->now() + std::chrono::milliseconds(1)));
  }
  return true;
}

}  // namespace squall::objects
