#pragma once
// XXH3 with 128 bits (Collet; xxhash.h), fed in pieces. One thread at a time.

#include <memory>

#include "bench/replicate/record.h"
#include "core/base/bytes.h"

struct XXH3_state_s;

namespace squall::replicate {

class Hasher {
 public:
  Hasher();
  void reset();
  void update(Bytes bytes);
  Digest digest() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// 32 hexadecimal digits.
std::string text_of(const Digest& digest);

}  // namespace squall::replicate
