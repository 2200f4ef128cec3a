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

void ReplyBytes::assign_other(Bytes bytes) {
  if (bytes.size() > near_.size()) {
    if (!far_) far_ = std::make_unique<std::vector<std::byte>>();
    far_->assign(bytes.begin(), bytes.end());
  } else if (!bytes.empty()) {
    std::memcpy(near_.data(), bytes.data(), bytes.size());
  }
}

void Call::watch(Stage stage, std::function<void()> then) {
  if (reached(stage)) return run(then);
  if (!pool_->at_home()) {
    // Who watches holds the call as long as `then` is there.
    if (!pool_->leave({this, stage, then})) run(then);  // every call is completed
    return;
  }
  watched_ = static_cast<std::uint8_t>(stage);
  rest().then = std::move(then);
}

void Call::call_watcher() {
  watched_ = 0;
  run(std::exchange(rest_->then, {}));
}

/// By the last who held it.
void Call::let_go_in_flight() {
  // Who completes it gives it back.
  if (pool_->at_home()) return holders_.store(0, std::memory_order_relaxed);
  if (!pool_->leave({this, {}, {}})) recycle();
}

const Reply* Call::reply_of(NodeId member) const {
  if (arrived_ == 0) return nullptr;
  if (first_.member == member) return &first_;
  for (unsigned at = 0; at < same_used_; ++at)
    if (same_[at] == member) return &first_;
  return rest_ ? other_of(member) : nullptr;
}

const Reply* Call::other_of(NodeId member) const {
  for (std::size_t at = 0; at < rest_->others_used; ++at)
    if (rest_->others[at].member == member) return &rest_->others[at];
  return nullptr;
}

const Reply* Call::add_other(NodeId member, bool has_failed, Effect effect, Bytes bytes) {
  Rest& more = rest();
  if (more.others_used == more.others.size()) more.others.emplace_back();
  Reply& reply = more.others[more.others_used++];
  reply.member = member;
  reply.failed = has_failed;
  reply.effect = effect;
  reply.bytes.assign(bytes);
  return &reply;
}

void Call::clear_rest() {
  watched_ = 0;
  rest_->others_used = 0;
  rest_->failure.reset();
  rest_->asked = NodeId{};
  rest_->shard.reset();
  rest_->tried = 0;
  rest_->latest = false;
  rest_->then = {};
}

Pool::Pool(Node& node) : node_(&node), threaded_(node.threaded()) {}

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
    free_.push_back(&(*chunk)[at]);
  }
  chunks_[used_chunks_++].store(chunk, std::memory_order_release);
  return true;
}

Call* Pool::take_elsewhere() {
  Call* call = nullptr;
  {
    const std::lock_guard lock(lock_);
    if (free_.empty() && !grow()) return nullptr;
    call = free_.back();
    free_.pop_back();
  }
  return begin(*call);
}

/// False: there are none.
bool Pool::fetch_home() {
  const std::lock_guard lock(lock_);
  if (free_.empty() && !grow()) return false;
  home_count_ = std::min(free_.size(), most_at_home / 2);
  std::copy(free_.end() - static_cast<std::ptrdiff_t>(home_count_), free_.end(), at_home_.begin());
  free_.resize(free_.size() - home_count_);
  return true;
}

void Pool::give_back_elsewhere(Call& call) {
  bool last = false;
  {
    const std::lock_guard lock(lock_);
    free_.push_back(&call);
    last = abandoned_ && free_.size() == used_chunks_ * chunk_calls;
  }
  if (last) delete this;
}

/// What is at home, but for so many.
void Pool::give_back_all(std::size_t but) {
  const std::lock_guard lock(lock_);
  free_.insert(free_.end(), at_home_.begin() + but, at_home_.begin() + home_count_);
  home_count_ = but;
}

void Pool::close() {
  std::vector<Errand> errands;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    node_.store(nullptr, std::memory_order_release);
    errands.swap(errands_);
  }
  for (Errand& errand : errands) {
    if (errand.then)
      run(errand.then);
    else
      errand.call->let_go();
  }
  home_.store(nullptr, std::memory_order_relaxed);
  give_back_all(0);
  notify();
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

bool Pool::leave(Errand errand) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  errands_.push_back(std::move(errand));
  errands_left_.store(true, std::memory_order_relaxed);
  if (errands_.back().then) node_.load(std::memory_order_relaxed)->wake();
  return true;
}

void Pool::run_errands() {
  std::vector<Errand> errands;
  {
    const std::lock_guard lock(mutex_);
    errands.swap(errands_);
    errands_left_.store(false, std::memory_order_relaxed);
  }
  for (Errand& errand : errands) {
    if (errand.then)
      errand.call->watch(errand.stage, std::move(errand.then));
    else
      errand.call->let_go();
  }
}

void Pool::note_news() {
  if (at_home())
    news_ = true;
  else
    tell();
}

void Pool::tell() {
  news_ = false;
  // Pairs with the count of those who wait: either we see them, or they what there is.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (waiting_.load(std::memory_order_seq_cst) != 0) notify();
}

void Pool::notify() {
  { const std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

bool Pool::in_upcall() const {
  const Node* const node = node_.load(std::memory_order_acquire);
  return node != nullptr && node->in_upcall();
}

bool Pool::wait_longer(const Call& call, Call::Stage stage, Time deadline) {
  const auto there = [&] { return call.reached(stage); };
  Node* const node = node_.load(std::memory_order_acquire);
  if (node == nullptr || node->in_upcall()) return there();
  if (threaded_) {
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
