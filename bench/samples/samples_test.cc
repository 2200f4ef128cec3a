#include "bench/samples/samples.h"

#include <doctest/doctest.h>

namespace squall::bench {
namespace {

TEST_CASE("percentiles are those of the nearest rank, whatever the order") {
  Samples samples;
  for (int i = 100; i >= 1; --i) samples.add(std::chrono::microseconds(i));
  CHECK(samples.count() == 100);
  CHECK(samples.percentile(0.5) == 50us);
  CHECK(samples.percentile(0.99) == 99us);
  CHECK(samples.percentile(1.0) == 100us);
  CHECK(samples.percentile(0.0) == 1us);
  CHECK(samples.max() == 100us);
}

TEST_CASE("no samples give zeros") {
  Samples samples;
  CHECK(samples.percentile(0.5) == 0us);
  CHECK(samples.max() == 0us);
  samples.add(5us);
  samples.clear();
  CHECK(samples.count() == 0);
  CHECK(samples.percentile(0.99) == 0us);
}

TEST_CASE("over capacity a uniform sample is kept, and the exact maximum") {
  Samples samples(1000);
  samples.add(1h);
  for (int i = 0; i < 100'000; ++i) samples.add(std::chrono::microseconds(i));
  CHECK(samples.count() == 100'001);
  CHECK(samples.max() == 1h);
  // The standard error of the median of 1000 uniform samples is 1.6 %: six of them.
  CHECK(samples.percentile(0.5) > 40'000us);
  CHECK(samples.percentile(0.5) < 60'000us);
}

TEST_CASE("the median of a few rounds") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({4, 1, 2, 3}) == 2.5);
}

}  // namespace
}  // namespace squall::bench
