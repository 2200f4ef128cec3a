#include "core/membership/pulse.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "core/base/random.h"
#include "core/membership/pulse_fuzz.h"

namespace squall::membership {
namespace {

Pulse example() {
  Pulse pulse;
  pulse.view = ViewId{7};
  pulse.beat = 1234567890123;
  pulse.echo = 99;
  pulse.suspects.insert(0), pulse.suspects.insert(63), pulse.suspects.insert(255);
  pulse.spreading.insert(255);
  pulse.answer = true;
  return pulse;
}

std::vector<std::byte> encoded(const Pulse& pulse) {
  Writer writer;
  encode(writer, pulse);
  return writer.take();
}

TEST_CASE("a pulse comes out as it went in, every flag by itself") {
  for (int flag = 0; flag < 32; ++flag) {
    Pulse pulse = example();
    pulse.isolated = (flag & 1) != 0;
    pulse.answer = (flag & 2) != 0;
    pulse.leaving = (flag & 4) != 0;
    pulse.arriving = (flag & 8) != 0;
    pulse.closing = (flag & 16) != 0;
    const auto bytes = encoded(pulse);
    CHECK(bytes.size() == pulse_bytes);
    const auto read = decode_pulse(bytes);
    REQUIRE(read.has_value());
    CHECK(*read == pulse);
  }
}

TEST_CASE("anything but exactly one pulse is refused") {
  auto bytes = encoded(example());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(!decode_pulse(Bytes(bytes).first(size)).has_value());
  bytes.push_back(std::byte{0});
  const auto refused = decode_pulse(bytes);
  REQUIRE(!refused.has_value());
  CHECK(refused.error().what == "a heartbeat has 89 bytes, not 90");
}

TEST_CASE("a pulse that cannot be meant is refused") {
  auto unknown_flag = encoded(example());
  unknown_flag.back() |= std::byte{32};
  CHECK(!decode_pulse(unknown_flag).has_value());

  Pulse no_number = example();
  no_number.beat = 0;
  CHECK(!decode_pulse(encoded(no_number)).has_value());

  Pulse spreads_more = example();
  spreads_more.spreading.insert(1);
  CHECK(!decode_pulse(encoded(spreads_more)).has_value());
}

TEST_CASE("hostile_bytes: what is taken for a pulse says again what was read") {
  Random random(3);
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = encoded(example());
    for (std::uint64_t flips = random.below(3); flips > 0; --flips)
      bytes[random.below(bytes.size())] ^= std::byte{1} << random.below(8);
    if (random.one_in(10)) bytes.resize(random.below(2 * pulse_bytes));
    if (fuzz_pulse(bytes)) ++taken;
  }
  CHECK(taken > 1000);
  CHECK(taken < 20000);
}

}  // namespace
}  // namespace squall::membership
