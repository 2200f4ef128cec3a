#pragma once
// Protocol    A sender's row holds its past: per sender, the end of the last message that it could
//             have delivered, told before anything is published after that. Who sees new messages
//             of a sender keeps them together with the past that it finds there, which is at least
//             theirs: what is delivered is the largest frontier that holds the past of all that is
//             in it (a greatest fixed point, since pasts are those of batches and may look
//             circular). A sender uses no round below one that it has delivered (Lamport, CACM
//             21(7), 1978), so walking by rounds is causal within the frontier.
// Parameters  none
// Properties  causal order (Birman, Schiper, Stephenson, ACM TOCS 9(3), 1991), FIFO included.
//             Concurrent messages may come in any order. Across a view change only below `stable`:
//             without it a message may outlive what it depends on.
// Cost        O(senders^2) a turn that brings something, nothing per message; a counter per sender
//             in each row. A message waits for its past, and for nobody who is silent.

#include <vector>

#include "core/multicast/stage.h"

namespace squall::modules {

class Causal final : public multicast::Order {
 public:
  Causal(const multicast::Shape& shape, mirror::TableLayout& layout);

  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override;
  void close(multicast::Frontier frontier) const override;
  std::size_t walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                   std::span<multicast::Run> runs) const override;

 private:
  /// Messages of one sender, from `begin` up to `end`, and what they may depend on.
  struct Batch {
    Round begin = 0;
    Round end = 0;
    std::vector<Round> past;
  };
  /// Those not delivered yet, oldest first, in a circle. When it is full, one of them grows: it
  /// then waits for more than it must, but what is before it goes on.
  struct Batches {
    std::vector<Batch> all;
    std::size_t first = 0;
    std::size_t count = 0;
    Round end = 0;  // of the last one that came

    const Batch& at(std::size_t index) const { return all[(first + index) % all.size()]; }
    Batch& at(std::size_t index) { return all[(first + index) % all.size()]; }
  };
  static constexpr std::size_t most_batches = 16;

  void note(multicast::SenderIndex sender, Round end, Rank rank, const mirror::Table& table);
  Round step_back(multicast::SenderIndex sender, multicast::ConstFrontier frontier) const;

  std::vector<Rank> ranks_;  // by sender
  multicast::SenderIndex own_;
  mirror::Column past_;  // per sender
  std::vector<Batches> batches_;
  std::vector<Round> passed_;    // what may have been delivered, and is beyond recall
  std::vector<Round> frontier_;  // of this stage, so far
  std::vector<Round> told_;      // of my past
};

}  // namespace squall::modules
