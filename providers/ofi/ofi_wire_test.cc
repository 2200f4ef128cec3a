// The wire codec against hostile bytes.
#include "providers/ofi/ofi_wire.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "core/base/random.h"

namespace squall::ofi {
namespace {

struct Sink final : Receiver {
  MutableBytes replica(RegionId region) override {
    return region == RegionId{7} ? MutableBytes(memory).first(64) : MutableBytes();
  }
  void on_message(Bytes bytes) override {
    ++calls;
    for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
  }
  void on_import(RegionId, std::uint64_t, const std::optional<WriteTarget>&) override { ++calls; }
  void on_refused(RegionId, std::uint64_t) override { ++calls; }
  void on_release(RegionId) override { ++calls; }

  std::vector<std::byte> memory = std::vector<std::byte>(128);
  int calls = 0;
  unsigned sum = 0;
};

std::vector<std::byte> wire(const std::vector<WireEntry>& entries, std::size_t copied,
                            std::size_t referred, WireHeader header = {}) {
  header.entry_count = static_cast<std::uint16_t>(entries.size());
  header.copied_bytes = static_cast<std::uint32_t>(copied);
  header.referred_bytes = static_cast<std::uint32_t>(referred);
  std::vector<std::byte> bytes(
      sizeof header + entries.size() * sizeof(WireEntry) + copied + referred, std::byte{0xee});
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!entries.empty())
    std::memcpy(bytes.data() + sizeof header, entries.data(), entries.size() * sizeof(WireEntry));
  return bytes;
}

void refused(const std::vector<std::byte>& bytes, std::string_view because) {
  Sink peer;
  const auto applied = apply_message(bytes, Lane::urgent, peer);
  REQUIRE(!applied);
  CHECK(applied.error().code == Code::lost);
  CHECK_MESSAGE(applied.error().what.find(because) != std::string::npos, applied.error().what);
  CHECK(peer.calls == 0);
  CHECK(peer.memory == std::vector<std::byte>(128));
}

TEST_CASE("garbage is refused by name and nothing of the message is applied") {
  const WireEntry good{7, 0, 8, EntryKind::range, 0, 0};
  Sink peer;
  REQUIRE(apply_message(wire({good}, 8, 0), Lane::urgent, peer));
  CHECK(peer.memory[7] == std::byte{0xee});
  CHECK(peer.memory[8] == std::byte{0});

  refused({}, "0 bytes");
  refused(std::vector<std::byte>(31), "31 bytes");
  refused(std::vector<std::byte>(32), "starts with");
  WireHeader header;
  header.version = 9;
  refused(wire({good}, 8, 0, header), "wire version 9");
  header = {};
  header.lane = 1;
  refused(wire({good}, 8, 0, header), "lane");
  auto longer = wire({good}, 8, 0);
  longer.push_back({});
  refused(longer, "promises");
  header = {};
  std::vector<std::byte> liar = wire({good}, 8, 0);
  header.entry_count = 1;
  header.copied_bytes = UINT32_MAX;
  header.referred_bytes = UINT32_MAX;
  std::memcpy(liar.data(), &header, sizeof header);
  refused(liar, "promises");
  refused(wire({good}, 0, 0), "more than the message");
  refused(wire({good}, 16, 0), "belong to no entry");
  refused(wire({good}, 8, 1), "belong to no entry");
  refused(wire({good, {7, 60, 8, EntryKind::range, 0, 0}}, 16, 0), "out of bounds");
  refused(wire({good, {7, UINT64_MAX, 8, EntryKind::range, 0, 0}}, 16, 0), "out of bounds");
  refused(wire({good, {8, 0, 8, EntryKind::range, 0, 0}}, 16, 0), "not imported");
  refused(wire({good, {7, 0, UINT32_MAX, EntryKind::range, 1, 0}}, 8, 8), "more than the message");
  refused(wire({good, {7, 0, 8, static_cast<EntryKind>(77), 0, 0}}, 16, 0), "unknown kind 77");
  refused(wire({good, {7, 0, 8, EntryKind::range, 2, 0}}, 8, 8), "unknown flags");
  refused(wire({good, {7, 0, 8, EntryKind::import, 0, 0}}, 16, 0), "import with 8 bytes");
  refused(wire({good, {7, 0, 16, EntryKind::release, 0, 0}}, 24, 0), "import with a payload");
  refused(wire({good, {0, 0, 300'000, EntryKind::message, 1, 0}}, 8, 300'000), "over the limit");
}

TEST_CASE("no bytes make the codec read or write out of bounds (asan), whatever was flipped") {
  Random random(1);
  for (int run = 0; run < 20'000; ++run) {
    std::vector<WireEntry> entries;
    std::size_t copied = 0, referred = 0;
    for (std::uint64_t count = random.below(5); count > 0; --count) {
      WireEntry entry{7,
                      random.below(70),
                      static_cast<std::uint32_t>(random.below(70)),
                      static_cast<EntryKind>(1 + random.below(4)),
                      static_cast<std::uint8_t>(random.below(2)),
                      0};
      (entry.referred != 0 ? referred : copied) +=
          entry.referred != 0 ? entry.bytes : padded(entry.bytes);
      entries.push_back(entry);
    }
    auto bytes = wire(entries, copied, referred);
    for (std::uint64_t flips = random.below(4); flips > 0; --flips)
      bytes[random.below(bytes.size())] ^= static_cast<std::byte>(1u << random.below(8));
    if (random.one_in(4)) bytes.resize(random.below(bytes.size()));
    Sink peer;
    const bool applied = apply_message(bytes, Lane::urgent, peer).has_value();
    CHECK((applied || peer.calls == 0));
    for (std::size_t at = 64; at < 128; ++at) REQUIRE(peer.memory[at] == std::byte{0});
  }
}

TEST_CASE("land copies every length at every alignment, and nothing beside it") {
  std::vector<std::byte> from(10'000);
  Random random(2);
  for (auto& byte : from) byte = static_cast<std::byte>(random.below(256) | 1);
  for (std::size_t bytes : {0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 4095, 4096, 4097, 9000})
    for (std::size_t at = 0; at < 9; ++at) {
      std::vector<std::byte> to(10'000);
      land(to.data() + at, Bytes(from).first(bytes));
      REQUIRE(std::memcmp(to.data() + at, from.data(), bytes) == 0);
      if (at > 0) REQUIRE(to[at - 1] == std::byte{0});
      REQUIRE(to[at + bytes] == std::byte{0});
    }
}

}  // namespace
}  // namespace squall::ofi
