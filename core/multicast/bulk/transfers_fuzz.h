#pragma once
// What the fuzzer and a unit test do with hostile words: a member that takes part in large objects
// hears anything from its peers, in any order, between its turns. It may say that this makes no
// sense; it must not crash, hand out what is not whole, or take more memory than it may.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/fabric/null_fabric.h"
#include "core/mirror/ring_writer.h"
#include "core/multicast/bulk/transfers.h"

namespace squall::multicast::bulk {

/// Takes everything and tells nothing; or says now and then that a lane is full.
class DeafFabric final : public fabric::NullFabric {
 public:
  explicit DeafFabric(bool maps, bool moves = false) {
    capabilities_.maps = maps;
    capabilities_.moves = moves;
  }

  Result<> send(fabric::PeerId peer, fabric::Lane, Bytes message, fabric::Token) override {
    if (++sent_ % 7 == 0) return fail(Code::would_block, {});
    if (said != nullptr)
      said->emplace_back(raw(peer), *decode(message.subspan(sizeof(std::uint16_t))));
    return {};
  }
  Result<const std::byte*> import_object(fabric::PeerId, fabric::RegionId, std::size_t bytes,
                                         fabric::Memory* landing) override {
    if (landing == nullptr) return shown_.data();
    SQUALL_ASSERT(bytes <= landing->size(), "a place is as large as what lands there");
    return landing->data();
  }
  Result<> push_to(fabric::PeerId, fabric::RegionId, std::size_t, std::size_t, fabric::Lane,
                   fabric::Token token) override {
    tokens.push_back(token);
    return {};
  }

  std::vector<fabric::Token> tokens;
  std::vector<std::pair<Rank, Word>>* said = nullptr;  ///< what was sent, and to whom

 private:
  // Never written, and the same for all: making it anew was much of the time of an input.
  inline static const std::vector<std::byte> shown_{std::size_t{1} << 20};
  std::size_t sent_ = 0;
};

/// How many words were taken for sense; for tests that want to know that some were.
inline std::size_t fuzz_transfers(Bytes input) {
  constexpr Rank members = 5;
  constexpr std::size_t most_bytes = std::size_t{1} << 18, block_bytes = most_bytes / 16;
  constexpr auto own_regions = fabric::RegionId{1000}, places = fabric::RegionId{2000};
  Reader reader(input);
  DeafFabric fabric(reader.get<std::uint8_t>() % 4 == 0);
  auto writer = mirror::RingWriter::create(4096).value();
  mirror::Outbox outbox(*writer, most_bytes, own_regions);
  const auto pool = mirror::Pool::create(most_bytes, places);
  Transit transit;
  std::vector<fabric::PeerId> peers;
  for (Rank rank = 0; rank < members; ++rank) peers.push_back(fabric::PeerId{rank});
  Transfers::Options options;
  options.self = 1;
  options.senders = {0, 1, 3};
  options.home = {{.schedule = {}, .cost = {.latency = {}, .bytes_per_second = 1e9}},
                  &outbox,
                  pool.get(),
                  &transit};
  options.home.settings.block_bytes = block_bytes;
  options.home.settings.most_bytes = most_bytes;
  Transfers transfers(fabric, peers, options);
  std::size_t sensible = 0;
  // What many more steps could find, fewer find sooner.
  for (int step = 0; step < 200 && !reader.done() && reader.ok(); ++step) {
    const auto what = reader.get<std::uint8_t>();
    const Rank peer = reader.get<std::uint8_t>() % members;
    if (what % 8 < 4) {
      Word word;
      word.kind = static_cast<Word::Kind>(reader.get<std::uint8_t>() % 6);
      word.origin = reader.get<std::uint8_t>() % 4;
      word.number = reader.get<std::uint8_t>() % 16;
      const auto region = reader.get<std::uint8_t>();
      word.region = region / 2;
      word.stays = region % 2 != 0;
      word.bytes = reader.get<std::uint32_t>() % (2 * most_bytes);
      word.region_bytes = word.bytes + reader.get<std::uint8_t>();
      word.block_bytes = std::uint32_t{block_bytes / 4} << reader.get<std::uint8_t>() % 4;
      word.schedule = static_cast<Kind>(reader.get<std::uint8_t>() % 5);
      word.block = reader.get<std::uint8_t>();
      if (peer == options.self) continue;
      const WireWord wire = encode(0, word);
      sensible += transfers.on_message(peer, Bytes(wire).subspan(sizeof(std::uint16_t)));
    } else if (what % 8 == 4) {
      const std::uint64_t base = raw(what & 8 ? own_regions : places);
      transfers.attached(peers[peer], fabric::RegionId{base + reader.get<std::uint8_t>() % 8});
    } else if (what % 8 == 5) {
      auto buffer = outbox.pool().take(reader.get<std::uint32_t>() % most_bytes);
      if (buffer) static_cast<void>(outbox.send(*buffer, true));
    } else if (what % 8 == 6) {
      const std::uint64_t frame[] = {reader.get<std::uint8_t>() % 16u, reader.get<std::uint32_t>(),
                                     reader.get<std::uint8_t>()};
      const auto bytes = std::as_bytes(std::span(frame));
      const std::uint32_t origin = reader.get<std::uint8_t>() % 3;
      if (const auto found = transfers.find(origin, bytes)) {
        // All of it can be read.
        std::uint64_t sum = 0;
        for (const std::byte byte : *found) sum += static_cast<std::uint64_t>(byte);
        asm volatile("" : : "r"(sum));
        transfers.delivered(origin, bytes);
      }
    } else {
      transfers.turn(0);
      for (const fabric::Token token : std::exchange(fabric.tokens, {})) transit.returned(token);
    }
    // Whatever the limit says, each of the others may have as much as it can have itself.
    constexpr std::size_t most_each = most_bytes + 65536 + 4096;
    SQUALL_ASSERT(pool->bytes() <= most_bytes + (options.senders.size() - 1) * most_each,
                  "no more memory than there may be");
  }
  return sensible;
}

}  // namespace squall::multicast::bulk
