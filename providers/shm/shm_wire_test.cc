#include "providers/shm/shm_wire.h"

#include <doctest/doctest.h>

#include "core/base/random.h"

namespace squall::shm {
namespace {

TEST_CASE("a hello comes back as it was sent") {
  Hello hello;
  hello.ticket[3] = std::byte{9};
  const auto parsed = parse_hello(encode(hello));
  REQUIRE(parsed);
  CHECK(parsed->version == wire_version);
  CHECK(same(parsed->ticket, hello.ticket));
}

TEST_CASE("a hello of another version still tells its version and its ticket") {
  Hello hello;
  hello.version = wire_version + 1;
  hello.ticket[0] = std::byte{1};
  auto bytes = encode(hello);
  bytes.push_back(std::byte{77});  // whatever that version adds
  const auto parsed = parse_hello(bytes);
  REQUIRE(parsed);
  CHECK(parsed->version == wire_version + 1);
  CHECK(same(parsed->ticket, hello.ticket));
}

TEST_CASE("what is cut short, too long or of another protocol is no hello") {
  auto bytes = encode(Hello{});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    CHECK_FALSE(parse_hello(Bytes(bytes).first(cut)));
  bytes.push_back(std::byte{0});
  CHECK_FALSE(parse_hello(bytes));
  bytes.pop_back();
  bytes[0] ^= std::byte{1};
  CHECK_FALSE(parse_hello(bytes));
}

TEST_CASE("control packets come back as they were sent, and cut ones are refused") {
  for (const PacketKind kind : {PacketKind::want, PacketKind::grant, PacketKind::attached,
                                PacketKind::bye, PacketKind::release}) {
    Control control;
    control.kind = kind;
    if (kind == PacketKind::bye) {
      control.reason = "why";
    } else {
      control.region = fabric::RegionId{0x123456789abcdef0};
      if (kind == PacketKind::want) control.bytes = 4096;
    }
    const auto bytes = encode(control);
    const auto parsed = parse_control(bytes);
    REQUIRE(parsed);
    CHECK(parsed->kind == kind);
    CHECK(parsed->region == control.region);
    CHECK(parsed->bytes == control.bytes);
    CHECK(parsed->reason == control.reason);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      CHECK_FALSE(parse_control(Bytes(bytes).first(cut)));
  }
}

TEST_CASE("a reason is bounded and made printable") {
  const auto parsed =
      parse_control(encode(Control{.kind = PacketKind::bye, .reason = std::string(1000, '\n')}));
  REQUIRE(parsed);
  CHECK(parsed->reason == std::string(300, '?'));
}

TEST_CASE("random bytes never parse as more than they hold") {
  Random random(5);
  for (int round = 0; round < 100000; ++round) {
    std::array<std::byte, 40> noise;
    for (std::byte& b : noise) b = static_cast<std::byte>(random.next());
    if (round % 2 == 0) noise[0] = static_cast<std::byte>(1 + random.below(5));
    const Bytes bytes = Bytes(noise).first(random.below(noise.size()));
    CHECK_FALSE(parse_hello(bytes));
    if (const auto control = parse_control(bytes)) CHECK(control->reason.size() < bytes.size());
  }
}

TEST_CASE("addresses are random and checked") {
  const std::string a = random_address();
  CHECK(is_address(a));
  CHECK(a != random_address());
  CHECK_FALSE(is_address(a.substr(0, a.size() - 1)));
  CHECK_FALSE(is_address(a + "0"));
  CHECK_FALSE(is_address("127.0.0.1:70"));
  CHECK_FALSE(is_address("squall-shm-0000000000000000000000000000000/"));
}

}  // namespace
}  // namespace squall::shm
