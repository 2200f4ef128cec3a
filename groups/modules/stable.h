#pragma once
// Protocol    Every member counts, per sender, the rounds that it holds. A message is stable once
//             every member's count covers it. Skips need no stability: a sender's promise to stay
//             silent is true whoever has heard it.
// Parameters  none
// Properties  safe delivery: delivered anywhere means held by every member of the view
// Cost        O(members x senders) loads a turn; one counter per sender in each row

#include <vector>

#include "core/multicast/stage.h"

namespace squall::modules {

class Stable final : public multicast::Stage {
 public:
  Stable(const multicast::Shape& shape, mirror::TableLayout& layout);

  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override;
  void cut_to(Rank member, const mirror::Table& table, multicast::Frontier frontier) const override;

 private:
  Rank self_;
  mirror::Column held_;  // per sender
  std::vector<Round> told_;
  std::vector<Round> stable_;  // this stage's frontier so far
};

}  // namespace squall::modules
