#include "bench/limits/sides.h"

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
struct Side::Shared {
  struct Outcome {
    std::atomic<bool> done{false};
    bool ok = false;
    Code code{};
    double value = 0;
    std::array<char, 600> error{};
  };
  alignas(64) std::atomic<unsigned> arrivals{0};
  alignas(64) std::atomic<bool> finished{false};
  alignas(64) std::array<Outcome, 1 + most_partners> outcomes;
};

void Side::meet() {
  met_ += sides_;
  shared_.arrivals.fetch_add(1, std::memory_order_acq_rel);
  while (shared_.arrivals.load(std::memory_order_acquire) < met_ && !finished()) relax();
}

void Side::finish() {
  shared_.finished.store(true, std::memory_order_release);
}
bool Side::finished() const {
  return shared_.finished.load(std::memory_order_acquire);
}

void Side::relax() const {
  if (crowded_)
    sched_yield();
  else
    __builtin_ia32_pause();
}

namespace {

void report(Side::Shared::Outcome& outcome, const Result<double>& result) {
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

/// The children hold `lives`; when none does any more, the other end hangs up.
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

Result<double> run_sides(const Measure& measure, const std::vector<Partner>& partners,
                         Duration limit) {
  const std::size_t sides = 1 + partners.size();
  if (partners.size() > most_partners)
    return fail(Code::invalid, fmt::format("{} processes are too many to measure with", sides));
  auto block = SharedBlock::create(sizeof(Side::Shared));
  if (!block) return tl::unexpected(block.error());
  auto& shared = *new (block->data()) Side::Shared;
  const std::vector<fabric::Core> cores = fabric::usable_cores();
  const bool crowded = cores.size() < sides;
  std::array<int, 2> lives{};
  if (pipe(lives.data()) != 0) return fail_errno("pipe", errno);

  const pid_t parent = getpid();
  std::vector<pid_t> children;
  int fork_error = 0;
  for (std::size_t side = 0; side < sides && fork_error == 0; ++side) {
    const pid_t child = fork();
    if (child < 0) fork_error = errno;
    if (child > 0) children.push_back(child);
    if (child != 0) continue;
    if (!die_with(parent)) _exit(1);
    close(lives[0]);
    if (!crowded) static_cast<void>(fabric::pin_this_thread(cores[side]));
    Side mine(shared, static_cast<unsigned>(sides), crowded);
    Result<double> result = 0.0;
    if (side == 0)
      result = measure(mine);
    else if (auto ran = partners[side - 1](mine); !ran)
      result = tl::unexpected(ran.error());
    report(shared.outcomes[side], result);
    mine.finish();
    _exit(0);
  }
  close(lives[1]);
  const bool ended = fork_error == 0 && hung_up_by(lives[0], Monotonic::now() + limit);
  close(lives[0]);
  for (const pid_t child : children) {
    if (!ended) kill(child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (fork_error != 0) return fail_errno("cannot start a process to measure with", fork_error);
  // A partner's error is the cause: the one that measures may only have seen the other end.
  for (std::size_t side = sides; side-- > 0;)
    if (const auto& outcome = shared.outcomes[side]; outcome.done && !outcome.ok)
      return fail(outcome.code, outcome.error.data());
  if (!shared.outcomes[0].done)
    return fail(ended ? Code::lost : Code::timeout,
                ended ? "a measuring process died" : "a measurement did not end in time");
  return shared.outcomes[0].value;
}

Result<double> run_pair(const Measure& measure, const Partner& partner, Duration limit) {
  return run_sides(measure, {partner}, limit);
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
