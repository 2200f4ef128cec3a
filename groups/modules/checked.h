#pragma once
// Protocol    Stands around the order of its stack and looks at all that it answers: its frontier
//             lies within what was received, is closed and never moves back; what it closes is a
//             part of what it was given, and closed; its walk stays within the frontier, gets
//             further with every step, and ends only where nothing is left. Of a total order also
//             that nothing is delivered before something that comes before it.
// Parameters  none
// Properties  none of its own: what breaks one of these ends the process, with the rule, the sender
//             and the round. For tests, and for who writes an order. A member's own business.
// Cost        two more closures a turn; the walk goes one stretch at a time

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/multicast/stage.h"

namespace squall::modules {

class Checked final : public multicast::Order {
 public:
  using Broken = std::function<void(const std::string& what)>;

  /// `is_total`: the order says that it is one. `broken` does not return into the engine, but for
  /// tests; the default writes what is wrong to standard error and aborts.
  Checked(std::unique_ptr<multicast::Order> below, bool is_total, Broken broken = {});

  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override;
  void close(multicast::Frontier frontier) const override;
  std::size_t walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                   std::span<multicast::Run> runs) const override;
  void cut_to(Rank member, const mirror::Table& table,
              multicast::Frontier frontier) const override {
    below_->cut_to(member, table, frontier);
  }

 private:
  void check_run(const multicast::Run& run, multicast::ConstFrontier heads,
                 multicast::ConstFrontier to) const;
  void check_place(multicast::SenderIndex sender, multicast::ConstFrontier heads,
                   multicast::ConstFrontier to) const;

  std::unique_ptr<multicast::Order> below_;
  bool is_total_;
  Broken broken_;
  std::vector<Round> last_;  // its frontier so far
};

}  // namespace squall::modules
