#include "bench/rpc/rpc.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <vector>

#include "bench/launch/interrupt.h"
#include "bench/limits/limits.h"
#include "bench/measure/run.h"
#include "bench/measure/suite.h"
#include "bench/rpc/calls.h"

namespace squall::bench {
namespace {

/// Three members on two cores are quick or slow by where they are, so that it is the same for all
/// of these; each is short, and there are many, for each run of the others.
constexpr double pairs_of_three = 3.6;
constexpr std::size_t argument_bytes = 8;
constexpr unsigned idle_groups = 10, many_groups = 64;

class Rpc {
 public:
  explicit Rpc(const RpcOptions& options)
      : runs_(options.runs),
        seconds_(options.seconds / runs_),
        timeout_(options.timeout_ms * 1ms) {}

  int run() {
    std::vector<double> updates, of_messages, here_us, there_shm, there_tcp, beside, core, memory;
    for (unsigned run = 0; run < runs_ && !failed_; ++run) {
      // Each beside what it is made of.
      const double before = messages();
      const double rate = calls(Calls::update, "shm").per_s;
      const double after = messages();
      updates.push_back(rate);
      of_messages.push_back(rate / ((before + after) / 2));
      here_us.push_back(calls(Calls::read_here, "shm").median_ns / 1e3);
      const double trip_shm = 2 * limit(measure_shared_memory_one_way(argument_bytes, window()));
      there_shm.push_back(calls(Calls::read_there, "shm").median_ns / 1e3 / trip_shm);
      const double trip_tcp = limit(measure_tcp_round_trip(argument_bytes, window()));
      there_tcp.push_back(calls(Calls::read_there, "tcp").median_ns / 1e3 / trip_tcp);
      // At the pace that applications have.
      const Called idle = called(Calls::none, {"shm", seconds_, many_groups, timeout_});
      core.push_back(100 * idle.core_share);
      memory.push_back(static_cast<double>(idle.rss_bytes) / (1 << 20));
    }
    const auto pairs = static_cast<unsigned>(runs_ * pairs_of_three);
    const double window = runs_ * seconds_ / pairs;
    double alone = messages(3, 0, window);
    for (unsigned pair = 0; pair < pairs && !failed_; ++pair) {
      const double before = alone;
      const double among_idle = messages(3, idle_groups, window);
      alone = messages(3, 0, window);
      beside.push_back(2 * among_idle / (before + alone));
    }
    if (failed_) return 1;
    fmt::print("{}", heading());
    show(at_least("update, 8 B, shm, 2 members, of messages", Spread(of_messages), 0.4, "x"));
    show(at_most("read here", Spread(here_us), 0.2, "us"));
    show(at_most("read at another, shm, of a raw round trip", Spread(there_shm), 6, "x"));
    show(at_most("read at another, tcp, of a raw round trip", Spread(there_tcp), 1.6, "x"));
    show(
        at_least("messages, 3 members, beside 10 idle groups, of alone", Spread(beside), 0.9, "x"));
    show(at_most("64 idle groups, of a core", Spread(core), 1, "%"));
    show(at_most("64 idle groups, resident", Spread(memory), 256, "MiB"));
    fmt::print("{} of {} bars reached; {:.2f} M updates/s\n", reached_, bars_,
               Spread(updates).median / 1e6);
    return 0;
  }

 private:
  Duration window() const {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds_ / 2));
  }
  template <class Value>
  Value or_failed(Result<Value> result) {
    if (result) return *std::move(result);
    if (!failed_) fmt::print(stderr, "squall: {}\n", result.error().text());
    failed_ = true;
    return {};
  }
  Called called(Calls what, const CallsPlan& plan) {
    return failed_ ? Called{} : or_failed(run_calls(what, plan));
  }
  Called calls(Calls what, const char* fabric) {
    return called(what, {.fabric = fabric, .seconds = seconds_});
  }
  double limit(Result<Limit> measured) { return or_failed(std::move(measured)).value; }
  /// Of as many bytes as the argument, in the same stack, from one of the members.
  double messages() { return messages(2, 0, seconds_); }
  double messages(unsigned members, unsigned idle, double seconds) {
    Case plain;
    plain.members = members;
    plain.idle_groups = idle;
    plain.by_turns = members > 2;
    plain.size_bytes = argument_bytes;
    plain.seconds = seconds;
    return failed_ ? 1 : or_failed(run_case(plain)).messages_per_s;
  }
  void show(const Bar& bar) {
    ++bars_;
    reached_ += bar.reached() ? 1 : 0;
    fmt::print("{}", line_of(bar));
  }

  unsigned runs_;
  double seconds_;  ///< of one run
  Duration timeout_;
  bool failed_ = false;
  unsigned bars_ = 0, reached_ = 0;
};

}  // namespace

int measure_rpc(const RpcOptions& options) {
  catch_interrupts();
  return Rpc(options).run();
}

}  // namespace squall::bench
