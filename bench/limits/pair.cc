#include "bench/limits/pair.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <vector>

#include "bench/process/die_with.h"
#include "bench/samples/samples.h"
#include "core/fabric/topology.h"

namespace squall::bench {

void SharedBlock::Unmap::operator()(std::byte* data) const {
  munmap(data, bytes);
}

Result<SharedBlock> SharedBlock::create(std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    return fail_errno(fmt::format("cannot map {} bytes to share", bytes), errno);
  return SharedBlock({static_cast<std::byte*>(data), Unmap{bytes}});
}

/// Lives in a SharedBlock; the two counters on lines of their own.
struct PairSide::Shared {
  struct Outcome {
    std::atomic<bool> done{false};
    bool ok = false;
    Code code{};
    double value = 0;
    std::array<char, 240> error{};
  };
  alignas(64) std::atomic<unsigned> arrivals{0};
  alignas(64) std::atomic<bool> finished{false};
  alignas(64) std::array<Outcome, 2> outcomes;
};

void PairSide::meet() {
  met_ += 2;
  shared_.arrivals.fetch_add(1, std::memory_order_acq_rel);
  while (shared_.arrivals.load(std::memory_order_acquire) < met_ && !finished()) relax();
}

void PairSide::finish() {
  shared_.finished.store(true, std::memory_order_release);
}
bool PairSide::finished() const {
  return shared_.finished.load(std::memory_order_acquire);
}

void PairSide::relax() const {
  if (one_core_)
    sched_yield();
  else
    __builtin_ia32_pause();
}

namespace {

void report(PairSide::Shared::Outcome& outcome, const Result<double>& result) {
  outcome.ok = result.has_value();
  if (result) {
    outcome.value = *result;
  } else {
    outcome.code = result.error().code;
    const std::string text = result.error().text();
    std::memcpy(outcome.error.data(), text.data(), std::min(text.size(), outcome.error.size() - 1));
  }
  outcome.done.store(true, std::memory_order_release);
}

/// Both children hold `lives`; when neither does any more, the other end hangs up.
bool hung_up_by(int lives, Time deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Monotonic::now());
    if (left.count() <= 0) return false;
    pollfd entry{lives, POLLIN, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::min<long>(left.count(), 1000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

Result<double> run_pair(const std::function<Result<double>(PairSide&)>& measure,
                        const std::function<Result<>(PairSide&)>& other, Duration limit) {
  auto block = SharedBlock::create(sizeof(PairSide::Shared));
  if (!block) return tl::unexpected(block.error());
  auto& shared = *new (block->data()) PairSide::Shared;
  const std::vector<fabric::Core> cores = fabric::usable_cores();
  const bool one_core = cores.size() < 2;
  std::array<int, 2> lives{};
  if (pipe(lives.data()) != 0) return fail_errno("pipe", errno);

  const pid_t parent = getpid();
  std::array<pid_t, 2> children{-1, -1};
  for (std::size_t side = 0; side < 2; ++side) {
    children[side] = fork();
    if (children[side] != 0) continue;
    if (!die_with(parent)) _exit(1);
    close(lives[0]);
    if (!one_core) static_cast<void>(fabric::pin_this_thread(cores[side]));
    PairSide mine(shared, one_core);
    Result<double> result = 0.0;
    if (side == 0)
      result = measure(mine);
    else if (auto ran = other(mine); !ran)
      result = tl::unexpected(ran.error());
    report(shared.outcomes[side], result);
    mine.finish();
    _exit(0);
  }
  close(lives[1]);
  const bool forked = children[0] > 0 && children[1] > 0;
  const int fork_error = errno;
  const bool ended = forked && hung_up_by(lives[0], Monotonic::now() + limit);
  close(lives[0]);
  for (const pid_t child : children) {
    if (child <= 0) continue;
    if (!ended) kill(child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (!forked) return fail_errno("cannot start a process to measure with", fork_error);
  // The first error is the cause: the one that measures may only have seen the other end.
  for (const auto& outcome : {std::cref(shared.outcomes[1]), std::cref(shared.outcomes[0])})
    if (outcome.get().done && !outcome.get().ok)
      return fail(outcome.get().code, outcome.get().error.data());
  if (!shared.outcomes[0].done)
    return fail(ended ? Code::lost : Code::timeout,
                ended ? "a measuring process died" : "a measurement did not end in time");
  return shared.outcomes[0].value;
}

Result<double> median_of(unsigned rounds, const std::function<Result<double>()>& round) {
  std::vector<double> values;
  for (unsigned i = 0; i < rounds; ++i) {
    auto value = round();
    if (!value) return value;
    values.push_back(*value);
  }
  return median(std::move(values));
}

}  // namespace squall::bench
