// Batches set by hand: no libfabric, no clock.
#include "providers/ofi/ofi_batch.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <string>

#include "core/base/random.h"
#include "providers/ofi/ofi_tokens.h"

namespace squall::ofi {
namespace {

constexpr RegionId region{7};

/// Builds one message and gives its bytes as they would travel.
std::vector<std::byte> build(Batch& batch, Limits limits,
                             std::vector<TokenIndex>* tokens = nullptr) {
  std::vector<std::byte> block(limits.block_bytes);
  Wire wire;
  wire.block = block.data();
  if (!batch.build(limits, {}, wire)) return {};
  CHECK(wire.block_bytes <= limits.block_bytes);
  CHECK(wire.reference_count <= limits.references);
  std::vector<std::byte> bytes(block.begin(),
                               block.begin() + static_cast<std::ptrdiff_t>(wire.block_bytes));
  for (std::size_t i = 0; i < wire.reference_count; ++i)
    bytes.insert(bytes.end(), wire.references[i].data,
                 wire.references[i].data + wire.references[i].bytes);
  CHECK(bytes.size() == wire.bytes());
  if (tokens != nullptr) tokens->insert(tokens->end(), wire.tokens.begin(), wire.tokens.end());
  return bytes;
}

struct Peer final : Receiver {
  explicit Peer(std::size_t bytes) : memory(bytes) {}
  MutableBytes replica(RegionId asked) override {
    return asked == region ? MutableBytes(memory) : MutableBytes();
  }
  void on_message(Bytes message) override { messages.emplace_back(as_text(message)); }
  void on_import(RegionId, std::uint64_t bytes, const std::optional<WriteTarget>& target) override {
    imported = bytes;
    if (target) imported_to = *target;
  }
  void on_refused(RegionId, std::uint64_t) override {}
  void on_release(RegionId) override {}

  std::vector<std::byte> memory;
  std::vector<std::string> messages;
  std::uint64_t imported = 0;
  WriteTarget imported_to;
};

struct Source {
  explicit Source(std::size_t bytes) : memory(bytes) {
    for (std::size_t i = 0; i < bytes; ++i) memory[i] = static_cast<std::byte>(i * 31 + i / 251);
  }
  Bytes range(std::size_t offset, std::size_t bytes) const {
    return Bytes(memory).subspan(offset, bytes);
  }
  void push(Batch& batch, std::size_t offset, std::size_t bytes, TokenIndex token = 0) const {
    batch.push(region, offset, range(offset, bytes), token);
  }
  void set(std::size_t offset, std::uint64_t value) {
    std::memcpy(memory.data() + offset, &value, sizeof value);
  }
  std::vector<std::byte> memory;
};

std::uint64_t word(const std::vector<std::byte>& memory, std::size_t offset) {
  std::uint64_t value;
  std::memcpy(&value, memory.data() + offset, sizeof value);
  return value;
}

TEST_CASE("a short range is sent as it was when it was pushed") {
  Source source(64);
  Batch batch;
  source.set(8, 1);
  source.push(batch, 8, 8);
  source.set(8, 2);
  Peer peer(64);
  REQUIRE(apply_message(build(batch, {}), Lane::urgent, peer));
  CHECK(word(peer.memory, 8) == 1);
  CHECK(batch.empty());
}

TEST_CASE("a counter pushed again takes its newest value to the end, behind the data") {
  Source source(8192);
  Batch batch;
  source.set(0, 1);
  source.push(batch, 0, 8);
  source.push(batch, 4096, 1000);
  source.set(0, 2);
  source.push(batch, 0, 8);
  CHECK(batch.entry_count() == 2);
  // Only the data fits a message of one reference and no room for a second entry.
  Limits tight{sizeof(WireHeader) + sizeof(WireEntry), 1, 4096};
  Peer peer(8192);
  REQUIRE(apply_message(build(batch, tight), Lane::urgent, peer));
  CHECK(word(peer.memory, 0) == 0);
  CHECK(word(peer.memory, 4096) == word(source.memory, 4096));
  REQUIRE(apply_message(build(batch, {}), Lane::urgent, peer));
  CHECK(word(peer.memory, 0) == 2);
}

TEST_CASE("long ranges that touch become one, also when a counter between them is replaced") {
  Source source(1 << 16);
  Batch batch;
  for (std::size_t round = 0; round < 8; ++round) {
    source.push(batch, 1024 + round * 1000, 1000);
    source.push(batch, 0, 8);
  }
  CHECK(batch.entry_count() == 2);
  source.push(batch, 0, 0);  // another range, of nothing
  CHECK(batch.entry_count() == 3);
  Peer peer(1 << 16);
  REQUIRE(apply_message(build(batch, {}), Lane::urgent, peer));
  for (std::size_t at = 1024; at < 1024 + 8000; ++at) REQUIRE(peer.memory[at] == source.memory[at]);
}

TEST_CASE("short ranges that touch become one when the counter between them is replaced") {
  Source source(4096);
  Batch batch;
  for (std::size_t round = 0; round < 10; ++round) {
    source.push(batch, 1024 + round * 100, 100);
    source.push(batch, 0, 8);
  }
  CHECK(batch.entry_count() == 2);
  Peer peer(4096);
  REQUIRE(apply_message(build(batch, {}), Lane::urgent, peer));
  for (std::size_t at = 1024; at < 2024; ++at) REQUIRE(peer.memory[at] == source.memory[at]);
}

TEST_CASE("a range longer than a message is split, and what follows stays behind it") {
  Source source(1 << 20);
  Batch batch;
  source.push(batch, 4096, 900'000, 5);
  source.set(0, 9);
  source.push(batch, 0, 8, 6);
  for (const Limits& limits : {Limits{}, Limits{max_wire_bytes, 0, 0}}) {
    Source copy = source;
    Batch fresh;
    copy.push(fresh, 4096, 900'000, 5);
    copy.push(fresh, 0, 8, 6);
    Peer peer(1 << 20);
    std::vector<TokenIndex> tokens;
    std::size_t messages = 0;
    while (!fresh.empty()) {
      CHECK(word(peer.memory, 0) == 0);
      CHECK(tokens.empty());
      const auto bytes = build(fresh, limits, &tokens);
      CHECK(bytes.size() <= max_wire_bytes);
      REQUIRE(apply_message(bytes, Lane::urgent, peer));
      ++messages;
    }
    CHECK(messages == 4);
    CHECK(tokens == std::vector<TokenIndex>{5, 6});
    CHECK(word(peer.memory, 0) == 9);
    CHECK(std::memcmp(peer.memory.data() + 4096, source.memory.data() + 4096, 900'000) == 0);
  }
}

TEST_CASE("messages keep their order, short and long, and are never split") {
  Batch batch;
  const std::string large(200'000, 'l'), other(100'000, 'o');
  batch.send(as_bytes("a"), 1);
  batch.send(as_bytes(large), 2);
  batch.send(as_bytes(other), 3);
  batch.send(as_bytes("b"), 4);
  CHECK(batch.message_count() == 4);
  Peer peer(0);
  std::vector<TokenIndex> tokens;
  while (!batch.empty())
    REQUIRE(apply_message(build(batch, {max_block_bytes, 3, 65536}, &tokens), Lane::urgent, peer));
  CHECK(peer.messages == std::vector<std::string>{"a", large, other, "b"});
  CHECK(tokens == std::vector<TokenIndex>{1, 2, 3, 4});
  CHECK(batch.message_count() == 0);
  CHECK(batch.message_bytes() == 0);
}

TEST_CASE("every token comes back once, also of ranges that were replaced, dropped or cleared") {
  Source source(8192);
  Batch batch;
  source.push(batch, 0, 8, 1);
  source.push(batch, 0, 8, 2);
  source.push(batch, 1024, 1000, 3);
  source.push(batch, 2024, 1000, 4);
  batch.send(as_bytes("m"), 5);
  std::vector<TokenIndex> back;
  SUBCASE("sent") {
    while (!batch.empty()) build(batch, {}, &back);
  }
  SUBCASE("cleared") {
    back = batch.clear();
  }
  SUBCASE("dropped") {
    back = batch.drop(region);
    CHECK(batch.entry_count() == 1);
    while (!batch.empty()) build(batch, {}, &back);
  }
  std::sort(back.begin(), back.end());
  CHECK(back == std::vector<TokenIndex>{1, 2, 3, 4, 5});
}

TEST_CASE("what waits stays bounded however often it is pushed") {
  Source source(1 << 16);
  Batch batch;
  for (std::size_t turn = 0; turn < 10'000; ++turn) {
    source.set(8 * (turn % 16), turn);
    source.push(batch, 8 * (turn % 16), 8);
    source.push(batch, 4096 + 512 * (turn % 64), 512);
  }
  CHECK(batch.entry_count() < 200);
}

TEST_CASE("any mix of pushes and partial sends ends with the source, and order holds throughout") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    // A ring of bytes behind word 1, published by the counter in word 0, as mirrors do it.
    constexpr std::size_t ring_at = 64, ring_bytes = 32768;
    Source source(ring_at + ring_bytes);
    std::memset(source.memory.data(), 0, source.memory.size());
    Batch batch;
    Peer peer(source.memory.size());
    std::uint64_t appended = 0, seen = 0;
    const auto check = [&] {
      const std::uint64_t published = word(peer.memory, 0);
      REQUIRE(published >= seen);
      bool right = true;
      for (; seen < published; ++seen)
        right =
            right && peer.memory[ring_at + seen % ring_bytes] == static_cast<std::byte>(seen * 7);
      REQUIRE(right);
    };
    const bool copies = random.one_in(2);
    const Limits limits = copies ? Limits{2048, 0, 0} : Limits{1024, 2, 700};
    for (int turn = 0; turn < 400; ++turn) {
      std::size_t count = random.below(1500);
      count = std::min<std::size_t>(count, ring_bytes - (appended - seen));
      for (std::size_t i = 0; i < count; ++i)
        source.memory[ring_at + (appended + i) % ring_bytes] =
            static_cast<std::byte>((appended + i) * 7);
      const std::size_t at = appended % ring_bytes;
      const std::size_t first = std::min(count, ring_bytes - at);
      if (first != 0) source.push(batch, ring_at + at, first);
      if (count != first) source.push(batch, ring_at, count - first);
      appended += count;
      source.set(0, appended);
      source.push(batch, 0, 8);
      for (std::uint64_t sends = random.below(4); sends > 0; --sends) {
        const auto bytes = build(batch, limits);
        if (!bytes.empty()) REQUIRE(apply_message(bytes, Lane::urgent, peer));
        check();
      }
    }
    while (!batch.empty()) {
      REQUIRE(apply_message(build(batch, limits), Lane::urgent, peer));
      check();
    }
    CHECK(seen == appended);
    CHECK(std::memcmp(peer.memory.data(), source.memory.data(), source.memory.size()) == 0);
  }
}

TEST_CASE("a token for many peers comes back after the last, failed if one failed") {
  Tokens tokens;
  CHECK(tokens.add(fabric::no_token, 3) == 0);
  const TokenIndex index = tokens.add(42, 3);
  CHECK(!tokens.done(index, true));
  CHECK(!tokens.done(index, false));
  const auto done = tokens.done(index, true);
  REQUIRE(done);
  CHECK(done->token == 42);
  CHECK(!done->ok);
  CHECK(tokens.add(43, 1) == index);
}

TEST_CASE(
    "writes keep their place among messages, in pieces, and give their tokens with the last") {
  Source source(4 << 20);
  Batch batch;
  const WriteTo to{{.address = 1000, .key = 7}, nullptr},
      elsewhere{{.address = 0, .key = 8}, nullptr};
  source.push(batch, 0, 8);
  batch.write(region, 4096, source.range(4096, 300'000), to, 0);
  batch.write(region, 304'096, source.range(304'096, 100'000), to, 5);  // joins the one before
  batch.write(region, 404'096, source.range(404'096, 1000), elsewhere, 6);
  batch.send(as_bytes("behind"), 7);
  CHECK(batch.entry_count() == 4);

  std::vector<std::byte> block(max_block_bytes);
  Wire wire;
  wire.block = block.data();
  CHECK(!batch.write_is_next());
  REQUIRE(batch.build({}, {}, wire));
  CHECK(!wire.writes);
  CHECK(wire.tokens.empty());
  const struct {
    std::size_t offset, bytes;
    std::uint64_t key;
    std::vector<TokenIndex> tokens;
  } expected[] = {{4096, 262'144, 7, {}}, {266'240, 137'856, 7, {5}}, {404'096, 1000, 8, {6}}};
  for (const auto& [offset, bytes, key, tokens] : expected) {
    REQUIRE(batch.write_is_next());
    CHECK(!batch.build({}, {}, wire));  // a message does not overtake it
    batch.build_write(262'144, wire);
    CHECK(wire.writes);
    REQUIRE(wire.reference_count == 1);
    CHECK(wire.references[0].data == source.memory.data() + offset);
    CHECK(wire.references[0].bytes == bytes);
    CHECK(wire.to.target.key == key);
    CHECK(wire.to.target.address == (key == 7 ? 1000 : 0) + offset);
    CHECK(wire.tokens == tokens);
  }
  CHECK(!batch.write_is_next());
  REQUIRE(batch.build({}, {}, wire));
  CHECK(!wire.writes);
  CHECK(wire.tokens == std::vector<TokenIndex>{7});
  CHECK(batch.empty());

  batch.write(region, 0, source.range(0, 70'000), to, 8);
  batch.write(RegionId{99}, 0, source.range(0, 70'000), to, 9);
  CHECK(batch.drop(region) == std::vector<TokenIndex>{8});
  CHECK(batch.clear() == std::vector<TokenIndex>{9});
}

TEST_CASE("an import tells where its region may be written, or not") {
  Batch batch;
  const WriteTarget target{.address = 0x123456789abcdef0, .key = 77};
  batch.control(EntryKind::import, region, 4096, std::as_bytes(std::span(&target, 1)));
  Peer peer(0);
  REQUIRE(apply_message(build(batch, {}), Lane::urgent, peer));
  CHECK(peer.imported == 4096);
  CHECK(peer.imported_to.address == target.address);
  CHECK(peer.imported_to.key == target.key);
  peer.imported_to = {};
  batch.control(EntryKind::import, region, 8192);
  REQUIRE(apply_message(build(batch, {}), Lane::urgent, peer));
  CHECK(peer.imported == 8192);
  CHECK(peer.imported_to.key == 0);
}

}  // namespace
}  // namespace squall::ofi
