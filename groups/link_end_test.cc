// Two ends in one process, over fabrics that every host has.
#include "groups/link_end.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall {
namespace {

constexpr Duration patience = 60s;
constexpr std::size_t object_bytes = std::size_t{1} << 20;

TEST_CASE("what one end pushes is at the other when its value is, both ways") {
  for (const char* fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    auto a = LinkEnd::open(fabric, object_bytes);
    auto b = LinkEnd::open(fabric, object_bytes);
    REQUIRE(a);
    REQUIRE(b);
    CHECK(a->usual_cost().bytes_per_second > 0);
    const Time deadline = Monotonic::now() + patience;
    const std::string at_a = a->address(), at_b = b->address();
    // Each turns until both have returned.
    std::atomic<int> returned = 0;
    const auto connect = [&](LinkEnd& end, const std::string& address) {
      auto done = end.connect(address, deadline);
      for (++returned; done && returned < 2;)
        if (auto turned = end.turn(); !turned) return Result<>(tl::unexpected(turned.error()));
      return done;
    };
    Result<> b_connected;
    std::thread other([&] { b_connected = connect(*b, at_a); });
    const auto connected = connect(*a, at_b);
    other.join();
    REQUIRE_MESSAGE(connected, connected.error().text());
    REQUIRE_MESSAGE(b_connected, b_connected.error().text());
    const auto arrives = [&](LinkEnd& at, LinkEnd& from, std::uint64_t value) {
      for (auto seen = at.turn(); seen; seen = at.turn()) {
        if (*seen == value) return true;
        if (!from.turn() || Monotonic::now() > deadline) return false;
      }
      return false;
    };
    for (std::uint64_t value = 1; value <= 20; ++value) {
      const std::size_t bytes = value % 2 == 0 ? object_bytes : value;
      REQUIRE(a->push(bytes, value));
      REQUIRE(arrives(*b, *a, value));
      CHECK(b->object()[0] == std::byte{1});
      CHECK(b->object()[bytes - 1] == std::byte{1});
      REQUIRE(b->push(value));
      REQUIRE(arrives(*a, *b, value));
    }
  }
}

TEST_CASE("who is alone is told so at the deadline, and who asks for nothing of what there is") {
  auto alone = LinkEnd::open("tcp", object_bytes);
  auto nobody = LinkEnd::open("tcp", object_bytes);
  REQUIRE(alone);
  REQUIRE(nobody);
  const std::string address = nobody->address();
  const auto timed_out = alone->connect(address, Monotonic::now() + 50ms);
  REQUIRE(!timed_out);
  CHECK(timed_out.error().code == Code::timeout);
  CHECK(LinkEnd::open("auto", object_bytes).error().code == Code::invalid);
  CHECK(LinkEnd::open("shn", object_bytes).error().code == Code::invalid);
  CHECK(LinkEnd::open("ofi:warp", object_bytes).error().code == Code::unavailable);
}

}  // namespace
}  // namespace squall
