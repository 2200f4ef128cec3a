#include "bench/measure/suite.h"

#include <fmt/format.h>

#include <cstdio>

#include "bench/launch/interrupt.h"
#include "bench/measure/beside.h"
#include "bench/measure/report.h"
#include "bench/measure/run.h"

namespace squall::bench {
namespace {

constexpr double mebibyte = 1 << 20;

std::string shown(double value, std::string_view unit) {
  if (unit == "x") return fmt::format("{:.2f}", value);
  if (unit == "MiB") return fmt::format("{:.1f} MiB", value);
  return in_unit(value, unit);
}

class Suite {
 public:
  explicit Suite(const SuiteOptions& options) : options_(options) {}

  int run() {
    if (!options_.json) fmt::print("{}", heading());
    memory_bars();
    network_bars();
    if (failed_) return 1;
    if (!options_.json) fmt::print("{} of {} bars reached\n", reached_, bars_);
    return 0;
  }

 private:
  Case make(const char* fabric, unsigned members, std::size_t size) const {
    Case made;
    made.fabric = fabric;
    made.members = members;
    made.size_bytes = size;
    made.seconds = options_.seconds;
    return made;
  }

  /// With the limits beside it when `beside`. After a failure the rows are empty.
  Row measure(const Case& asked, bool beside) {
    if (interrupted()) return {asked, {}, {}, 0};
    auto row = beside ? run_beside_limits(asked) : run_case(asked).map([&](Measured ours) {
      return Row{asked, std::move(ours), {}, 0};
    });
    if (!row) {
      fmt::print(stderr, "squall: {}: {}\n", name_of(asked), row.error().text());
      failed_ = true;
      return {asked, {}, {}, 0};
    }
    if (options_.json) fmt::print("{}\n", as_json(*row));
    std::fflush(stdout);
    return *row;
  }
  double rate(const Case& asked) { return measure(asked, false).ours.messages_per_s; }

  void show(const Bar& bar) {
    ++bars_;
    reached_ += bar.reached() ? 1 : 0;
    if (!options_.json) fmt::print("{}", line_of(bar));
    std::fflush(stdout);
  }

  void memory_bars() {
    const Row small = measure(make("shm", 2, 64), true);
    show(at_least("shm, 2 members, 64 B, of a raw ring", small.ratio, 0.4, "x"));
    const double two = rate(make("shm", 2, 16));
    const Row three = measure(make("shm", 3, 16), false);
    show(at_least("shm, 3 members, 16 B", three.ours.messages_per_s, 15e6, "messages/s"));
    const double four = rate(make("shm", 4, 16));
    show(at_least("shm, 4 members, 16 B, of the rate with 2", four / two, 1.0 / 3, "x"));
    show(at_least("shm, 3 members, 1 KB", rate(make("shm", 3, 1024)), 4.5e6, "messages/s"));
    Case trip = make("shm", 2, 64);
    trip.figure = Figure::latency;
    show(at_most("shm, 2 members, 64 B, median, of one way", measure(trip, true).ratio, 8, "x"));
    Case pinned = make("shm", 3, 16);
    pinned.pin = 0;
    show(at_least("shm, 3 members on one core, of two cores",
                  rate(pinned) / three.ours.messages_per_s, 0.2, "x"));
    show(at_most("shm, 3 members, memory of the largest",
                 static_cast<double>(three.ours.rss_bytes) / mebibyte, 64, "MiB"));
  }

  void network_bars() {
    const Row three_small = measure(make("tcp", 3, 16), false);
    show(at_least("tcp, 3 members, 16 B", three_small.ours.messages_per_s, 1.5e6, "messages/s"));
    const Row large = measure(make("tcp", 2, 64 << 10), true);
    const double of_tcp = large.limits.size() > 1 ? ratio_of(large.ours, large.limits[1]) : 0;
    show(at_least("tcp, 2 members, 64 KB, of bare libfabric", large.ratio, 0.8, "x"));
    show(at_least("tcp, 2 members, 64 KB, of raw TCP", of_tcp, 0.5, "x"));
    Case trip = make("tcp", 2, 64);
    trip.figure = Figure::latency;
    show(at_most("tcp, 2 members, 64 B, median, of a round trip", measure(trip, true).ratio, 1.5,
                 "x"));
    const double two = rate(make("tcp", 2, 64));
    show(at_least("tcp, 3 members, 64 B, of the rate with 2", rate(make("tcp", 3, 64)) / two, 0.5,
                  "x"));
    show(at_least("tcp, 4 members, 64 B, of the rate with 2", rate(make("tcp", 4, 64)) / two,
                  1.0 / 3, "x"));
    show(at_most("tcp, 3 members, memory of the largest",
                 static_cast<double>(three_small.ours.rss_bytes) / mebibyte, 64, "MiB"));
  }

  SuiteOptions options_;
  bool failed_ = false;
  unsigned bars_ = 0;
  unsigned reached_ = 0;
};

}  // namespace

Bar at_least(std::string what, double measured, double required, std::string_view unit) {
  return {std::move(what), fmt::format(">= {}", shown(required, unit)), shown(measured, unit),
          measured / required};
}

Bar at_most(std::string what, double measured, double required, std::string_view unit) {
  // Nothing measured is nothing reached.
  return {std::move(what), fmt::format("<= {}", shown(required, unit)), shown(measured, unit),
          measured > 0 ? required / measured : 0};
}

std::string heading() {
  return fmt::format("{:<48}{:>14}{:>14}{:>8}\n", "bar", "required", "measured", "ratio");
}

std::string line_of(const Bar& bar) {
  return fmt::format("{:<48}{:>14}{:>14}{:>8.2f}  {}\n", bar.what, bar.required, bar.measured,
                     bar.ratio, bar.reached() ? "pass" : "MISSED");
}

int run_suite(const SuiteOptions& options) {
  catch_interrupts();
  return Suite(options).run();
}

}  // namespace squall::bench
