#include "core/multicast/bulk/wire.h"

#include <cstring>

#include "core/multicast/bulk/standing.h"
#include "core/multicast/bulk/transfer.h"

namespace squall::multicast::bulk {
namespace {

/// Every word has every field: they are few, and beside a block they are nothing.
struct Fields {
  std::uint16_t channel;
  Word::Kind kind;
  Kind schedule;
  std::uint16_t origin;
  std::uint16_t stays;
  std::uint64_t number;
  std::uint64_t region;
  std::uint64_t bytes;
  std::uint64_t region_bytes;
  std::uint32_t block_bytes;
  Block block;
};
static_assert(sizeof(Fields) == sizeof(WireWord), "no holes on the wire");
constexpr std::size_t channel_bytes = sizeof(Fields::channel);

bool makes_sense(const Word& word) {
  if (word.kind < Word::Kind::offer || word.kind > Word::Kind::kept ||
      word.schedule > Kind::binomial_pipeline)
    return false;
  const bool begins = word.kind == Word::Kind::offer ||  //
                      (word.kind == Word::Kind::landed && word.stays);
  if (!begins) return true;
  if (word.stays && !may_stand(word.schedule)) return false;
  return word.bytes <= most_object_bytes && word.region_bytes >= word.bytes &&
         word.region_bytes <= 2 * most_object_bytes && word.block_bytes >= least_block_bytes &&
         word.block_bytes <= most_block_bytes &&
         Transfer::block_count(word.bytes, word.block_bytes) <= UINT32_MAX;
}

}  // namespace

WireWord encode(std::uint16_t channel, const Word& word) {
  const Fields fields{.channel = channel,
                      .kind = word.kind,
                      .schedule = word.schedule,
                      .origin = static_cast<std::uint16_t>(word.origin),  // there are 256 members
                      .stays = word.stays,
                      .number = word.number,
                      .region = word.region,
                      .bytes = word.bytes,
                      .region_bytes = word.region_bytes,
                      .block_bytes = word.block_bytes,
                      .block = word.block};
  WireWord wire;
  std::memcpy(wire.data(), &fields, sizeof fields);
  return wire;
}

std::optional<Word> decode(Bytes message) {
  Fields fields;
  if (message.size() != sizeof fields - channel_bytes) return std::nullopt;
  std::memcpy(reinterpret_cast<std::byte*>(&fields) + channel_bytes, message.data(),
              message.size());
  if (fields.stays > 1) return std::nullopt;
  const Word word{.kind = fields.kind,
                  .origin = fields.origin,
                  .number = fields.number,
                  .region = fields.region,
                  .stays = fields.stays == 1,
                  .bytes = fields.bytes,
                  .region_bytes = fields.region_bytes,
                  .block_bytes = fields.block_bytes,
                  .schedule = fields.schedule,
                  .block = fields.block};
  if (!makes_sense(word)) return std::nullopt;
  return word;
}

}  // namespace squall::multicast::bulk
