// Large objects: written into the importer's memory where endpoints can, else copied there.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "providers/ofi/ofi.h"
#include "providers/ofi/ofi_msg.h"
#include "providers/ofi/ofi_test_kit.h"

namespace squall::ofi {
namespace {

constexpr std::size_t object_bytes = (4 << 20) + 777;

bool all_are(const Memory& memory, std::size_t offset, std::size_t bytes, int value) {
  return std::all_of(memory.data() + offset, memory.data() + offset + bytes,
                     [&](std::byte each) { return each == static_cast<std::byte>(value); });
}

TEST_CASE("tcp writes, as itself and as verbs") {
  for (const bool as_verbs : {false, true}) {
    auto transport = MsgTransport::open("tcp", {}, as_verbs);
    REQUIRE(transport);
    CHECK((*transport)->writes() != nullptr);
  }
}

TEST_CASE("what was pushed before a message is there when the message is, written or sent") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Memory mine = memory(object_bytes), landing = memory(object_bytes);
    Pair pair(kind);
    REQUIRE(pair.a.fabric->expose(region, mine));
    REQUIRE(pair.b.fabric->import_object(pair.a_at_b, region, object_bytes, &landing));
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
    constexpr std::array<std::size_t, 9> sizes{8,       300,           65'535,  65'536, 65'537,
                                               262'144, (1 << 20) + 3, 100'000, 5};
    std::uint64_t tokens = 0;
    for (int round = 1; round <= 30; ++round) {
      std::memset(mine.data(), round, object_bytes);
      std::size_t at = static_cast<std::size_t>(round);
      for (const std::size_t bytes : sizes) {
        const fabric::Token token = round % 3 == 0 ? fabric::no_token : ++tokens;
        REQUIRE(pair.a.fabric->push(region, at, bytes, Lane::bulk, token));
        at += bytes;
      }
      REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::bulk, as_bytes("there"), ++tokens));
      REQUIRE(pair.until(
          [&] { return pair.b.count(Kind::message) == static_cast<std::size_t>(round); }));
      CHECK(all_are(landing, static_cast<std::size_t>(round), at - static_cast<std::size_t>(round),
                    round));
      // The source is written again only when it may be.
      REQUIRE(pair.until([&] { return pair.a.count(Kind::completed) == tokens; }));
    }
  }
}

TEST_CASE("after disconnect nothing is written, and all tokens have come back") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Memory mine = memory(object_bytes), landing = memory(object_bytes);
    Pair pair(kind);
    REQUIRE(pair.a.fabric->expose(region, mine));
    REQUIRE(pair.b.fabric->import_object(pair.a_at_b, region, object_bytes, &landing));
    REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == 1; }));
    std::memset(mine.data(), 6, object_bytes);
    // b turns enough for a write to be under way, and not for all of them.
    std::size_t tokens = 0;
    for (int i = 0; i < 40; ++i) {
      REQUIRE(pair.a.fabric->push(region, 0, object_bytes, Lane::bulk, ++tokens));
      pair.a.turn();
      if (i == 20) pair.b.turn();
    }
    pair.b.fabric->disconnect(pair.a_at_b);
    std::memset(landing.data(), 5, object_bytes);
    if (pair.a.fabric->capabilities().detects_loss)
      REQUIRE(pair.until([&] { return pair.a.count(Kind::lost) == 1; }));
    pair.a.fabric->disconnect(pair.b_at_a);
    REQUIRE(pair.until([&] { return pair.a.count(Kind::completed) == tokens; }));
    for (int i = 0; i < 100; ++i) {
      pair.a.turn();
      pair.b.turn();
    }
    CHECK(pair.a.count(Kind::completed) == tokens);
    CHECK(all_are(landing, 0, object_bytes, 5));
    // The landing may go before the peer is forgotten if the object is released.
    pair.b.fabric->release(pair.a_at_b, region);
    landing = memory(4096);
    pair.b.fabric->forget(pair.a_at_b);
  }
}

TEST_CASE("an object can be concealed and its memory freed while blocks of it are on their way") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Memory landing = memory(object_bytes);
    Pair pair(kind);
    for (std::uint64_t number = 1; number <= 10; ++number) {
      const RegionId name{number};
      {
        Memory mine = memory(object_bytes);
        std::memset(mine.data(), static_cast<int>(number), object_bytes);
        REQUIRE(pair.a.fabric->expose(name, mine));
        REQUIRE(pair.b.fabric->import_object(pair.a_at_b, name, object_bytes, &landing));
        REQUIRE(pair.until([&] { return pair.a.count(Kind::attached) == number; }));
        REQUIRE(pair.a.fabric->push(name, 0, object_bytes, Lane::bulk, number));
        pair.a.fabric->flush();
        pair.a.fabric->conceal(name);
      }
      REQUIRE(pair.until([&] { return pair.a.count(Kind::completed) == number; }));
      // Behind what was on its way, whatever was dropped.
      REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::bulk, as_bytes("end")));
      REQUIRE(pair.until([&] { return pair.b.count(Kind::message) == number; }));
      pair.b.fabric->release(pair.a_at_b, name);
      std::memset(landing.data(), 0, object_bytes);
    }
    for (int i = 0; i < 100; ++i) {
      pair.a.turn();
      pair.b.turn();
    }
    CHECK(all_are(landing, 0, object_bytes, 0));
    CHECK(pair.a.count(Kind::lost) == 0);
    CHECK(pair.b.count(Kind::lost) == 0);
  }
}

}  // namespace
}  // namespace squall::ofi
