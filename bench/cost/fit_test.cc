#include "bench/cost/fit.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"

namespace squall::bench {
namespace {

std::vector<Trip> trips_of(double latency_s, double bytes_per_second) {
  std::vector<Trip> trips;
  for (const std::size_t bytes : {0u, 1u << 10, 1u << 16, 1u << 20, 1u << 22})
    trips.push_back({bytes, latency_s + static_cast<double>(bytes) / bytes_per_second});
  return trips;
}

TEST_CASE("what lies on a line gives that line") {
  for (const double latency : {1e-7, 1.5e-6, 6e-6, 1e-3})
    for (const double rate : {1e8, 2e9, 12.5e9}) {
      const auto line = fit(trips_of(latency, rate));
      REQUIRE(line);
      CHECK(line->latency_s == doctest::Approx(latency).epsilon(1e-6));
      CHECK(line->bytes_per_second == doctest::Approx(rate).epsilon(1e-6));
      CHECK(line->worst < 1e-6);
    }
}

TEST_CASE("times that are a tenth off give a line that is about as much off") {
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    auto trips = trips_of(6e-6, 2e9);
    for (Trip& trip : trips)
      trip.seconds *= 0.9 + 0.2 * static_cast<double>(random.next() % 1000) / 1000;
    const auto line = fit(trips);
    REQUIRE(line);
    CHECK(line->latency_s == doctest::Approx(6e-6).epsilon(0.12));
    CHECK(line->bytes_per_second == doctest::Approx(2e9).epsilon(0.12));
    CHECK(line->worst < 0.22);
  }
}

TEST_CASE("one long trip that took twice its time does not spoil the latency") {
  auto trips = trips_of(6e-6, 2e9);
  trips.back().seconds *= 2;
  const auto line = fit(trips);
  REQUIRE(line);
  CHECK(line->latency_s == doctest::Approx(6e-6).epsilon(0.1));
  CHECK(line->worst > 0.3);
}

TEST_CASE("a line that would begin below 0 begins there") {
  const auto line = fit(std::vector<Trip>{{1000, 1e-6}, {2000, 3e-6}});
  REQUIRE(line);
  CHECK(line->latency_s == 0);
  CHECK(line->bytes_per_second > 0);
}

TEST_CASE("what is no line is refused") {
  const auto refused = [](const std::vector<Trip>& trips) {
    const auto line = fit(trips);
    return !line && line.error().code == Code::invalid;
  };
  CHECK(refused({}));
  CHECK(refused({{1000, 1e-6}}));
  CHECK(refused({{1000, 1e-6}, {1000, 2e-6}}));
  CHECK(refused({{1000, 2e-6}, {2000, 1e-6}}));
  CHECK(refused({{1000, 0}, {2000, 1e-6}}));
  CHECK(refused({{1000, std::nan("")}, {2000, 1e-6}}));
  CHECK(refused({{1000, std::numeric_limits<double>::infinity()}, {2000, 1e-6}}));
}

}  // namespace
}  // namespace squall::bench
