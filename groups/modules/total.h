#pragma once
// Protocol    Round-robin total order, as in Derecho (Jha et al., ACM TOCS 36(2), 2019): round i of
//             sender r has place i * senders + r. What is below the first place that is neither
//             received nor skipped may be delivered. A sender that sees others ahead promises to
//             use no round below theirs, so an idle or a slow sender holds up nobody for longer
//             than that promise takes to arrive.
// Parameters  none
// Properties  one order for all senders at all members, FIFO included
// Cost        O(senders) a turn; a counter moved by senders that have nothing to say

#include "core/multicast/stage.h"

namespace squall::modules {

class Total final : public multicast::Order {
 public:
  Total(const multicast::Shape& shape, mirror::TableLayout& layout);

  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override;
  void close(multicast::Frontier frontier) const override;
  std::size_t walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                   std::span<multicast::Run> runs) const override;

 private:
  multicast::SenderIndex own_;  // senders.size() if this member is none
};

}  // namespace squall::modules
