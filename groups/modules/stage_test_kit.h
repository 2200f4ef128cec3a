#pragma once
// A stage at one member, stepped by hand.

#include <doctest/doctest.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/mirror/fake_network.h"
#include "core/mirror/table.h"
#include "core/multicast/stage.h"

namespace squall::modules {

using Rounds = std::vector<Round>;

inline multicast::Shape shape_of(Rank members, Rank self, std::vector<Rank> senders) {
  return {members, self, std::move(senders)};
}

/// A stage at one member, with the rows of all of them to be set by hand.
template <class Built>
struct At {
  At(Rank members, Rank self, std::vector<Rank> senders) : network(members) {
    for (Rank rank = 0; rank < members; ++rank) {
      mirror::TableLayout layout;
      auto built = std::make_unique<Built>(shape_of(members, rank, senders), layout);
      tables.push_back(mirror::Table::create(network.node(rank), fabric::RegionId{1}, layout, rank,
                                             network.peers())
                           .value());
      if (rank == self) stage = std::move(built);
    }
    me = self;
  }
  Rounds step(const Rounds& below, Rounds messages = {}, const Rounds& received = {}) {
    if (messages.empty()) messages = below;
    Rounds frontier(below.size());
    multicast::StageOutput output{frontier};
    stage->step({Time{}, below, received.empty() ? below : received, messages, passed}, *tables[me],
                output);
    promise = output.promise;
    CHECK(output.deadline == never);
    return frontier;
  }
  mirror::FakeNetwork network;
  std::vector<std::unique_ptr<mirror::Table>> tables;
  std::unique_ptr<Built> stage;
  Rank me;
  Round promise = 0;
  Rounds passed;  // by the whole stack, before the next step
};

}  // namespace squall::modules
