#pragma once
// Which shard a key belongs to, the same at every member and in every process: rendezvous hashing
// (Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6(1), 1998). Of `n` shards, each
// gets about one key in n; when one is added, only the keys that it gets move. Pure; replace it by
// any function of your own: nothing else in Squall looks at keys.

#include <cstddef>
#include <string_view>

namespace squall {

/// 0 to `shards` - 1; `shards` is at least 1. Costs some nanoseconds for each shard.
std::size_t shard_of(std::string_view key, std::size_t shards);

}  // namespace squall
