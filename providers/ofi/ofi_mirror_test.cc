// Mirrors: long pushes are written into them, and everything else is sent; either way in order, and
// nothing after a disconnect.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "providers/ofi/ofi_msg.h"
#include "providers/ofi/ofi_test_kit.h"

namespace squall::ofi {
namespace {

constexpr std::size_t mirror_bytes = std::size_t{1} << 20;

/// Counts the writes that leave on each lane; or opens nothing to writes.
class Watched final : public Transport {
 public:
  using Counts = std::array<std::size_t, 2>;
  Watched(std::unique_ptr<Transport> real, Counts& writes, bool opens)
      : real_(std::move(real)), writes_(writes), opens_(opens) {}

  Queue& queue() override { return real_->queue(); }
  std::string address() const override { return real_->address(); }
  bool detects_loss() const override { return real_->detects_loss(); }
  Result<> connect(PeerId peer, std::string_view address, const Ticket& ticket, Time now) override {
    return real_->connect(peer, address, ticket, now);
  }
  void disconnect(PeerId peer, std::vector<TokenIndex>& tokens) override {
    real_->disconnect(peer, tokens);
  }
  Domain* writes() override { return real_->writes(); }
  const Limits& limits(Lane lane) const override { return real_->limits(lane); }
  Wire* begin(PeerId peer, Lane lane) override { return real_->begin(peer, lane); }
  Wire* begin_write(PeerId peer, Lane lane) override {
    Wire* wire = real_->begin_write(peer, lane);
    writes_[static_cast<std::size_t>(lane)] += wire != nullptr;
    return wire;
  }
  WriteLimits write_limits(Lane lane) const override {
    return opens_ ? real_->write_limits(lane) : WriteLimits{};
  }
  WireHeader header(PeerId peer, Lane lane) override { return real_->header(peer, lane); }
  void send(PeerId peer, Lane lane, Wire* wire) override { real_->send(peer, lane, wire); }
  bool poll(Sink& sink, std::size_t room, Time now) override {
    return real_->poll(sink, room, now);
  }
  void release() override { real_->release(); }
  Time deadline() const override { return real_->deadline(); }

 private:
  std::unique_ptr<Transport> real_;
  Counts& writes_;
  bool opens_;
};

/// The second of a pair, which imports, opens its mirrors to writes, or does not.
Kin watched(bool as_verbs, Watched::Counts& writes, bool importer_opens = true) {
  return {as_verbs ? "tcp as verbs" : "tcp",
          [=, &writes, made = 0]() mutable -> Result<std::unique_ptr<Fabric>> {
            auto transport = MsgTransport::open("tcp", {}, as_verbs);
            if (!transport) return tl::unexpected(transport.error());
            const bool opens = importer_opens || ++made != 2;
            return std::make_unique<OfiFabric>(
                "tcp", std::make_unique<Watched>(std::move(*transport), writes, opens));
          }};
}

/// a's region of `mirror_bytes`, mirrored at b.
struct Mirrored : Pair {
  explicit Mirrored(const Kin& kind, std::size_t imported = mirror_bytes)
      : Pair(kind), mine(memory(mirror_bytes)) {
    REQUIRE(a.fabric->expose(region, mine));
    const auto replica = b.fabric->import(a_at_b, region, imported);
    REQUIRE(replica);
    mirror = *replica;
    REQUIRE(until([&] { return a.count(Kind::attached) == 1; }));
  }
  /// Fills the range and pushes it, and then a counter of the same value behind it.
  void push(std::size_t offset, std::size_t bytes, std::uint64_t value) {
    std::memset(mine.data() + offset, static_cast<int>(value), bytes);
    store(mine.data(), value);
    REQUIRE(a.fabric->push(region, offset, bytes, Lane::urgent));
    REQUIRE(a.fabric->push(region, 0, sizeof value, Lane::urgent));
  }
  Memory mine;
  const std::byte* mirror = nullptr;
};

TEST_CASE("long pushes of a mirror are written, short ones are sent") {
  for (const bool as_verbs : {false, true}) {
    CAPTURE(as_verbs);
    Watched::Counts writes{};
    Mirrored pair(watched(as_verbs, writes));
    const std::size_t least = as_verbs ? least_device_write : least_tcp_write;
    const std::array<std::size_t, 6> sizes{300,  least - 1,         least, write_bytes / 2,
                                           1000, write_bytes - 8192};
    std::uint64_t value = 0;
    for (const std::size_t bytes : sizes) {
      pair.push(4096, bytes, ++value);
      REQUIRE(pair.until([&] { return load(pair.mirror) == value; }));
      CHECK(std::memcmp(pair.mirror + 4096, pair.mine.data() + 4096, bytes) == 0);
    }
    // What urgent words may have to wait for is half of what it is for bulk ones.
    CHECK(writes[static_cast<std::size_t>(Lane::urgent)] == 4);
    CHECK(writes[static_cast<std::size_t>(Lane::bulk)] == 0);
  }
}

TEST_CASE("a mirror of a region's beginning is written up to its end, and not at all if short") {
  Watched::Counts writes{};
  for (const std::size_t imported : {std::size_t{200'000}, least_tcp_write - 8}) {
    CAPTURE(imported);
    Mirrored pair(watched(false, writes), imported);
    pair.push(8, mirror_bytes - 8, 7);
    REQUIRE(pair.until([&] { return load(pair.mirror) == 7; }));
    CHECK(std::memcmp(pair.mirror, pair.mine.data(), imported) == 0);
    CHECK(writes[static_cast<std::size_t>(Lane::urgent)] == 1);  // the first one's
  }
}

TEST_CASE("long pushes are sent to who has not opened its mirror to writes") {
  for (const bool as_verbs : {false, true}) {
    CAPTURE(as_verbs);
    Watched::Counts writes{};
    Mirrored pair(watched(as_verbs, writes, false));
    for (const std::uint64_t value : {1, 2}) {
      pair.push(4096, mirror_bytes - 4096, value);
      REQUIRE(pair.until([&] { return load(pair.mirror) == value; }));
      CHECK(std::memcmp(pair.mirror, pair.mine.data(), mirror_bytes) == 0);
    }
    CHECK(writes == Watched::Counts{});
  }
}

TEST_CASE("a counter stays behind the long and short pushes that it publishes, under a flood") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Mirrored pair(kind);
    constexpr std::size_t ring_at = 4096, ring_bytes = mirror_bytes / 2;
    constexpr std::array<std::size_t, 6> pieces{70'000, 3, 200'000, 65'536, 4096, 65'535};
    constexpr std::uint64_t goal = 20'000'000;
    std::uint64_t appended = 0, seen = 0;
    std::size_t turns = 0;
    bool right = true;
    REQUIRE(pair.until([&] {
      const std::uint64_t room = ring_bytes - (appended - seen);
      const std::size_t at = appended % ring_bytes;
      const std::size_t count = std::min<std::uint64_t>(
          {room, goal - appended, ring_bytes - at, pieces[turns++ % pieces.size()]});
      if (count != 0) {
        for (std::size_t i = 0; i < count; ++i)
          pair.mine.data()[ring_at + at + i] = static_cast<std::byte>((appended + i) * 7);
        CHECK(pair.a.fabric->push(region, ring_at + at, count, Lane::urgent));
        appended += count;
        store(pair.mine.data(), appended);
        CHECK(pair.a.fabric->push(region, 0, sizeof appended, Lane::urgent));
      }
      for (const std::uint64_t published = load(pair.mirror); seen < published; ++seen)
        right =
            right && pair.mirror[ring_at + seen % ring_bytes] == static_cast<std::byte>(seen * 7);
      return !right || seen == goal;
    }));
    CHECK(right);
  }
}

TEST_CASE("a mirror stays as it was at the disconnect, however much was on its way") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Mirrored pair(kind);
    for (std::uint64_t value = 1; value <= 40; ++value) {
      pair.push(8, mirror_bytes - 8, value);
      pair.a.turn();
      if (value % 8 == 0) pair.b.turn();  // enough for a write to be under way
    }
    pair.b.fabric->disconnect(pair.a_at_b);
    const std::vector<std::byte> then(pair.mirror, pair.mirror + mirror_bytes);
    for (int i = 0; i < 200; ++i) {
      pair.a.turn();
      pair.b.turn();
    }
    CHECK(std::equal(then.begin(), then.end(), pair.mirror));
  }
}

}  // namespace
}  // namespace squall::ofi
