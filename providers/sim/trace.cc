#include "providers/sim/trace.h"

#include <xxhash.h>

namespace squall::sim {

void Trace::add_values() {
  hash_ = XXH3_64bits_withSeed(values_.data(), values_.size(), hash_);
}

std::uint64_t digest(Bytes bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace squall::sim
