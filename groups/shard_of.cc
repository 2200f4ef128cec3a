#include "groups/shard_of.h"

#include <cstdint>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/digest.h"

namespace squall {
namespace {

/// All bits of the result depend on all bits of both (the finalizer of SplitMix64; Steele, Lea,
/// Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t key, std::uint64_t shard) {
  std::uint64_t bits = key + (shard + 1) * 0x9e3779b97f4a7c15ull;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ull;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebull;
  return bits ^ (bits >> 31);
}

}  // namespace

std::size_t shard_of(std::string_view key, std::size_t shards) {
  SQUALL_ASSERT(shards > 0, "a key belongs to one of some shards");
  const std::uint64_t bits = digest(as_bytes(key));
  std::size_t best = 0;
  std::uint64_t most = mixed(bits, 0);
  for (std::size_t shard = 1; shard < shards; ++shard) {
    const std::uint64_t weight = mixed(bits, shard);
    if (weight <= most) continue;
    most = weight;
    best = shard;
  }
  return best;
}

}  // namespace squall
