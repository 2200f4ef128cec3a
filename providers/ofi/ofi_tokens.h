#pragma once
// Tokens handed in with pushes and messages. A push goes to many peers under one token, which
// comes back once, after the last of them. Owned by the fabric; one thread.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/fabric/fabric.h"
#include "providers/ofi/ofi_batch.h"

namespace squall::ofi {

class Tokens {
 public:
  struct Done {
    fabric::Token token;
    bool ok;
  };

  Tokens() : slots_(1) {}

  /// 0 for no token. `uses` must not be 0.
  TokenIndex add(fabric::Token token, std::uint32_t uses) {
    if (token == fabric::no_token) return 0;
    if (free_.empty()) {
      free_.push_back(static_cast<TokenIndex>(slots_.size()));
      slots_.emplace_back();
    }
    const TokenIndex index = free_.back();
    free_.pop_back();
    slots_[index] = {token, uses, true};
    return index;
  }
  /// One use came back; a value after the last.
  std::optional<Done> done(TokenIndex index, bool ok) {
    Slot& slot = slots_[index];
    slot.ok = slot.ok && ok;
    if (--slot.uses != 0) return std::nullopt;
    free_.push_back(index);
    return Done{slot.token, slot.ok};
  }

 private:
  struct Slot {
    fabric::Token token = fabric::no_token;
    std::uint32_t uses = 0;
    bool ok = true;
  };
  std::vector<Slot> slots_;  ///< slot 0 is nobody's
  std::vector<TokenIndex> free_;
};

}  // namespace squall::ofi
