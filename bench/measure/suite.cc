#include "bench/measure/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "bench/launch/interrupt.h"
#include "bench/measure/beside.h"
#include "bench/measure/report.h"
#include "bench/measure/run.h"
#include "bench/samples/samples.h"

namespace squall::bench {
namespace {

constexpr double mebibyte = 1 << 20;
constexpr unsigned runs_of_a_case = 3;

std::string shown(double value, std::string_view unit) {
  if (unit == "x") return fmt::format("{:.2f}", value);
  if (unit == "%") return fmt::format("{:.2f} %", value);
  if (unit == "MiB") return fmt::format("{:.1f} MiB", value);
  return in_unit(value, unit);
}

std::string span_of(const Spread& spread, std::string_view unit) {
  return fmt::format("{} to {}", shown(spread.least, unit), shown(spread.most, unit));
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
    made.seconds = options_.seconds / runs_of_a_case;
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

  /// What `round` gives, in three runs: a figure for each bar, in the bars' order.
  std::vector<Spread> runs(const std::function<std::vector<double>()>& round) {
    std::vector<std::vector<double>> figures;
    for (unsigned run = 0; run < runs_of_a_case; ++run) {
      const std::vector<double> values = round();
      figures.resize(values.size());
      for (std::size_t i = 0; i < values.size(); ++i) figures[i].push_back(values[i]);
    }
    std::vector<Spread> spreads;
    for (auto& values : figures) spreads.emplace_back(std::move(values));
    return spreads;
  }

  void memory_bars() {
    const auto figures = runs([&]() -> std::vector<double> {
      const double of_ring = of_the_best(measure(make("shm", 2, 64), true), "raw single-producer");
      const double two = rate(make("shm", 2, 16));
      const Measured three = measure(make("shm", 3, 16), false).ours;
      Case pinned = make("shm", 3, 16);
      pinned.pin = 0;
      const double on_one_core = rate(pinned);
      const double four = rate(make("shm", 4, 16));
      const double kilobyte = rate(make("shm", 3, 1024));
      Case trip = make("shm", 2, 64);
      trip.figure = Figure::latency;
      return {of_ring,
              three.messages_per_s,
              four / two,
              kilobyte,
              measure(trip, true).ratio,
              on_one_core / three.messages_per_s,
              static_cast<double>(three.rss_bytes) / mebibyte};
    });
    show(at_least("shm, 2 members, 64 B, of a raw ring", figures[0], 0.4, "x"));
    show(at_least("shm, 3 members, 16 B", figures[1], 15e6, "messages/s"));
    show(at_least("shm, 4 members, 16 B, of the rate with 2", figures[2], 1.0 / 3, "x"));
    show(at_least("shm, 3 members, 1 KB", figures[3], 4.5e6, "messages/s"));
    show(at_most("shm, 2 members, 64 B, median, of one way", figures[4], 8, "x"));
    show(at_least("shm, 3 members on one core, of two cores", figures[5], 0.2, "x"));
    show(at_most("shm, 3 members, memory of the largest", figures[6], 64, "MiB"));
  }

  void network_bars() {
    const auto figures = runs([&]() -> std::vector<double> {
      const Measured small = measure(make("tcp", 3, 16), false).ours;
      Case stream = make("tcp", 2, 64 << 10);
      stream.seconds = options_.seconds;  // it and its limits wander more than the rest
      const Row large = measure(stream, true);
      Case trip = make("tcp", 2, 64);
      trip.figure = Figure::latency;
      const double of_trip = measure(trip, true).ratio;
      const double two = rate(make("tcp", 2, 64));
      const double three = rate(make("tcp", 3, 64));
      const double four = rate(make("tcp", 4, 64));
      return {small.messages_per_s,
              of_the_same_sizes(large, "bare libfabric"),
              of_the_best(large, "raw TCP"),
              of_trip,
              three / two,
              four / two,
              static_cast<double>(small.rss_bytes) / mebibyte};
    });
    show(at_least("tcp, 3 members, 16 B", figures[0], 1.5e6, "messages/s"));
    show(at_least("tcp, 2 members, 64 KB, of bare libfabric", figures[1], 0.8, "x"));
    show(at_least("tcp, 2 members, 64 KB, of raw TCP", figures[2], 0.5, "x"));
    show(at_most("tcp, 2 members, 64 B, median, of a round trip", figures[3], 1.5, "x"));
    show(at_least("tcp, 3 members, 64 B, of the rate with 2", figures[4], 0.5, "x"));
    show(at_least("tcp, 4 members, 64 B, of the rate with 2", figures[5], 1.0 / 3, "x"));
    show(at_most("tcp, 3 members, memory of the largest", figures[6], 64, "MiB"));
  }

  /// Of the limit of a kind that sends what we are given to send: one message a call. It comes
  /// first.
  static double of_the_same_sizes(const Row& row, std::string_view kind) {
    for (const Limit& limit : row.limits)
      if (limit.what.starts_with(kind)) return ratio_of(row.ours, limit);
    return 0;
  }

  /// Of the fastest limit of a kind: one message a send, or joined; every entry published, or many
  /// at once.
  static double of_the_best(const Row& row, std::string_view kind) {
    double least = 0;
    for (const Limit& limit : row.limits) {
      if (!limit.what.starts_with(kind)) continue;
      const double ratio = ratio_of(row.ours, limit);
      least = least == 0 ? ratio : std::min(least, ratio);
    }
    return least;
  }

  SuiteOptions options_;
  bool failed_ = false;
  unsigned bars_ = 0;
  unsigned reached_ = 0;
};

}  // namespace

Spread::Spread(std::vector<double> runs)
    : median(bench::median(runs)),
      least(*std::min_element(runs.begin(), runs.end())),
      most(*std::max_element(runs.begin(), runs.end())) {}

Bar at_least(std::string what, const Spread& measured, double required, std::string_view unit) {
  return {std::move(what), fmt::format(">= {}", shown(required, unit)),
          shown(measured.median, unit), span_of(measured, unit), measured.median / required};
}

Bar at_most(std::string what, const Spread& measured, double required, std::string_view unit) {
  // Nothing measured is nothing reached.
  return {std::move(what), fmt::format("<= {}", shown(required, unit)),
          shown(measured.median, unit), span_of(measured, unit),
          measured.median > 0 ? required / measured.median : 0};
}

std::string heading() {
  return fmt::format("{:<48}{:>14}{:>12}{:>25}{:>8}\n", "bar", "required", "measured",
                     "least to most", "ratio");
}

std::string line_of(const Bar& bar) {
  return fmt::format("{:<48}{:>14}{:>12}{:>25}{:>8.2f}  {}\n", bar.what, bar.required, bar.measured,
                     bar.spread, bar.ratio, bar.reached() ? "pass" : "MISSED");
}

int run_suite(const SuiteOptions& options) {
  catch_interrupts();
  return Suite(options).run();
}

}  // namespace squall::bench
