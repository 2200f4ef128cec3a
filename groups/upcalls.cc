#include "groups/upcalls.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/base/log.h"

namespace squall {
namespace {

// Of the state for a joiner, at once.
constexpr std::size_t state_piece_bytes = std::size_t{256} << 10;

using Handler = std::shared_ptr<const multicast::DeliverFunction>;

/// An upcall that waits: a message, or whatever else.
struct Waiting {
  std::function<void()> other;
  Handler handler;
  multicast::Delivery message;  // its bytes are at `offset`
  std::size_t offset = 0;
};

struct Batch {
  std::vector<Waiting> upcalls;
  std::vector<std::byte> bytes;

  std::size_t size() const { return upcalls.size() * sizeof(Waiting) + bytes.size(); }
  void clear() {
    upcalls.clear();
    bytes.clear();
  }
  void run() {
    for (Waiting& each : upcalls) {
      try {
        run(each);
      } catch (const std::exception& error) {
        log(Level::error, "an upcall threw: {}", error.what());
      } catch (...) {
        log(Level::error, "an upcall threw");
      }
    }
  }

 private:
  void run(Waiting& each) {
    if (!each.handler) return each.other();
    each.message.bytes = Bytes(bytes).subspan(each.offset, each.message.bytes.size());
    (*each.handler)(each.message);
  }
};

}  // namespace

/// Outlives the node as long as the executor holds a job.
struct Upcalls::State : std::enable_shared_from_this<State> {
  Executor executor;
  std::function<void()> room;

  std::mutex mutex;
  std::condition_variable idle;
  Batch waiting;
  bool scheduled = false;  // a job is with the executor, or runs
  bool closed = false;
  std::thread::id running;  // nobody: none runs
  std::atomic<std::size_t> held{0};

  Batch done;  // of the job: its memory is used again

  /// Begins a change of `waiting`; true if a job is to be scheduled after it.
  template <class Add>
  void add(Add add_to) {
    bool schedule = false;
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      const std::size_t before = waiting.size();
      add_to(waiting);
      held.fetch_add(waiting.size() - before, std::memory_order_relaxed);
      schedule = !std::exchange(scheduled, true);
    }
    if (schedule) executor([self = shared_from_this()] { self->run(); });
  }

  void run() {
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      running = std::this_thread::get_id();
      std::swap(waiting, done);
    }
    done.run();
    const std::size_t size = done.size();
    done.clear();
    const std::size_t before = held.fetch_sub(size, std::memory_order_relaxed);
    if (before > most_waiting_bytes / 2 && before - size <= most_waiting_bytes / 2) room();
    bool more = false;
    {
      const std::lock_guard lock(mutex);
      running = {};
      more = scheduled = !closed && !waiting.upcalls.empty();
    }
    idle.notify_all();
    // One batch a job: others want the executor, too.
    if (more) executor([self = shared_from_this()] { self->run(); });
  }
};

Upcalls::Upcalls(Executor executor, std::function<void()> room) {
  if (!executor) return;
  state_ = std::make_shared<State>();
  state_->executor = std::move(executor);
  state_->room = std::move(room);
}

Upcalls::~Upcalls() = default;

void Upcalls::call(std::function<void()> upcall) {
  if (direct()) return upcall();
  state_->add([&](Batch& batch) { batch.upcalls.push_back({std::move(upcall), {}, {}, 0}); });
}

void Upcalls::deliver(const Handler& upcall, const multicast::Delivery& message) {
  if (direct()) return (*upcall)(message);
  state_->add([&](Batch& batch) {
    batch.upcalls.push_back({{}, upcall, message, batch.bytes.size()});
    batch.bytes.insert(batch.bytes.end(), message.bytes.begin(), message.bytes.end());
  });
}

namespace {

/// The state for one joiner, read ahead by a piece on the executor.
struct Read {
  std::mutex mutex;
  engine::StateSource source;  // of the executor
  std::vector<std::byte> piece;
  std::size_t taken = 0;
  bool asked = true;
  Result<std::size_t> last = std::size_t{1};  // 0: that was all
};

}  // namespace

engine::StateHooks Upcalls::in_order(engine::StateHooks hooks, std::function<void(Error)> failed) {
  if (direct()) return hooks;
  engine::StateHooks ordered;
  auto state = state_;
  if (hooks.save)
    ordered.save = [this, state, save = std::move(hooks.save)]() -> engine::StateSource {
      auto read = std::make_shared<Read>();
      const auto read_piece = [read, state] {
        std::vector<std::byte> piece(state_piece_bytes);
        const auto count = read->source(piece);
        if (count) piece.resize(std::min(*count, piece.size()));
        {
          const std::lock_guard lock(read->mutex);
          if (count) read->piece = std::move(piece);
          read->taken = 0;
          read->asked = false;
          read->last = count;
        }
        state->room();
      };
      call([read, save, read_piece] {
        read->source = save();
        read_piece();
      });
      return [this, read, read_piece](MutableBytes to) -> Result<std::size_t> {
        const std::lock_guard lock(read->mutex);
        if (read->asked) return fail(Code::would_block, "the application is still at it");
        if (!read->last || *read->last == 0) return read->last;
        const std::size_t count = std::min(to.size(), read->piece.size() - read->taken);
        if (count != 0) std::memcpy(to.data(), read->piece.data() + read->taken, count);
        read->taken += count;
        if (count != 0) return count;
        read->asked = true;
        call(read_piece);
        return fail(Code::would_block, "the application is still at it");
      };
    };
  if (hooks.load)
    ordered.load = [this, load = std::move(hooks.load), failed = std::move(failed)](
                       Bytes piece, bool last) -> Result<> {
      call([load, failed, last, bytes = std::vector<std::byte>(piece.begin(), piece.end())] {
        if (auto loaded = load(bytes, last); !loaded) failed(std::move(loaded.error()));
      });
      return {};
    };
  return ordered;
}

bool Upcalls::full() {
  if (direct()) return false;
  const std::size_t held = state_->held.load(std::memory_order_relaxed);
  full_ = held > (full_ ? most_waiting_bytes / 2 : most_waiting_bytes);
  return full_;
}

bool Upcalls::quiet() const {
  if (direct()) return true;
  const std::lock_guard lock(state_->mutex);
  return !state_->scheduled;
}

void Upcalls::close() {
  if (direct()) return;
  std::unique_lock lock(state_->mutex);
  state_->closed = true;
  SQUALL_ASSERT(state_->running != std::this_thread::get_id(), "an upcall cannot end its node");
  state_->idle.wait(lock, [this] { return state_->running == std::thread::id(); });
  state_->waiting.clear();
}

}  // namespace squall
