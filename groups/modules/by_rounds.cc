#include "groups/modules/by_rounds.h"

#include <algorithm>

#include "core/mirror/ring_reader.h"

namespace squall::modules {

std::size_t walk_by_rounds(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                           std::span<multicast::Run> runs) {
  const auto senders = static_cast<multicast::SenderIndex>(heads.size());
  multicast::SenderIndex active = 0;
  multicast::SenderIndex last_active = 0;
  Round round = mirror::no_round;
  Round end = 0;
  for (multicast::SenderIndex sender = 0; sender < senders; ++sender) {
    if (heads[sender] >= to[sender]) continue;
    ++active;
    last_active = sender;
    round = std::min(round, heads[sender]);
    end = std::max(end, to[sender]);
  }
  if (active == 0) return 0;
  if (active == 1) {
    runs[0] = {last_active, to[last_active]};
    return 1;
  }
  // From the first known message on, place by place. Where a sender's head lies further on, its
  // place is known to be empty; behind the head only the next one will tell, so some runs turn out
  // empty, but never the first: a walk always gets further, however few runs fit.
  std::size_t count = 0;
  for (; round < end; ++round)
    for (multicast::SenderIndex sender = 0; sender < senders; ++sender) {
      if (heads[sender] > round || round >= to[sender]) continue;
      if (count == runs.size()) return count;
      runs[count++] = {sender, round + 1};
    }
  return count;
}

}  // namespace squall::modules
