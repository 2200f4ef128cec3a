#include "providers/sim/trace.h"

#include <xxhash.h>

namespace squall::sim {

void Trace::add_line(std::string_view line) {
  hash_ = XXH3_64bits_withSeed(line.data(), line.size(), hash_);
  if (keep_) text_.append(line);
}

std::uint64_t digest(Bytes bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace squall::sim
