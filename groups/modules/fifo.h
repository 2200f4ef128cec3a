#pragma once
// Protocol    Delivers what was received; each ring is in its sender's order already.
// Parameters  none
// Properties  FIFO, integrity, no duplication. No order between senders; a message may be
//             delivered by some members only if its sender dies.
// Cost        one copy of the frontier a turn; no counters.

#include "core/multicast/stage.h"

namespace squall::modules {

class Fifo final : public multicast::Order {
 public:
  Fifo(const multicast::Shape& shape, mirror::TableLayout& layout);

  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override;
  void close(multicast::Frontier frontier) const override;
  std::size_t walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                   std::span<multicast::Run> runs) const override;
};

}  // namespace squall::modules
