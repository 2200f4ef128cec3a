// Does it fire? Orders with one mistake each, and those of the library, which have none.

#include "groups/modules/checked.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/mirror/ring_reader.h"
#include "groups/modules/causal.h"
#include "groups/modules/fifo.h"
#include "groups/modules/stage_test_kit.h"
#include "groups/modules/total.h"

namespace squall::modules {
namespace {

/// Total, with what a test puts in its place.
class Changed final : public multicast::Order {
 public:
  Changed(const multicast::Shape& shape, mirror::TableLayout& layout) : right(shape, layout) {}
  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override {
    right.step(input, table, output);
    if (after_step) after_step(output);
  }
  void close(multicast::Frontier frontier) const override {
    right.close(frontier);
    if (after_close) after_close(frontier);
  }
  std::size_t walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                   std::span<multicast::Run> runs) const override {
    return walks ? walks(heads, to, runs) : right.walk(heads, to, runs);
  }
  Total right;
  std::function<void(multicast::StageOutput&)> after_step;
  std::function<void(multicast::Frontier)> after_close;
  std::function<std::size_t(multicast::ConstFrontier, multicast::ConstFrontier,
                            std::span<multicast::Run>)>
      walks;
};

/// `checked` around an order, and what it says.
template <class Built>
struct Around : At<Built> {
  explicit Around(bool is_total = true) : At<Built>(3, 0, {0, 1, 2}) {
    order = this->stage.get();
    checked = std::make_unique<Checked>(std::move(this->stage), is_total,
                                        [this](const std::string& what) { said.push_back(what); });
  }
  void step(const Rounds& received) {
    Rounds frontier(received.size());
    multicast::StageOutput output{frontier};
    checked->step({Time{}, received, received, received}, *this->tables[0], output);
  }
  std::vector<multicast::Run> walk(const Rounds& heads, const Rounds& to) {
    std::vector<multicast::Run> runs(8);
    runs.resize(checked->walk(heads, to, runs));
    return runs;
  }
  bool says(std::string_view what) {
    if (!said.empty()) MESSAGE(said[0]);
    const bool found = !said.empty() && said[0].find(what) != std::string::npos;
    said.clear();
    return found;
  }
  Built* order;
  std::unique_ptr<Checked> checked;
  std::vector<std::string> said;
};

TEST_CASE_TEMPLATE("checked has nothing to say of the library's orders", Built, Total, Causal,
                   Fifo) {
  Around<Built> around(std::is_same_v<Built, Total>);
  around.step({3, 1, 0});
  around.step({3, 4, 4});
  Rounds heads{0, 1, 0};
  const Rounds to{3, 3, 3};
  for (;;) {
    const auto runs = around.walk(heads, to);
    if (runs.empty()) break;
    REQUIRE(runs.size() == 1);
    Round& head = heads[runs[0].sender];
    head = std::max(head, runs[0].end);
  }
  CHECK(heads == to);
  CHECK(around.said.empty());
}

TEST_CASE("checked names a frontier beyond what was received, one that goes back, an open one") {
  Around<Changed> around;
  around.order->after_step = [](auto& output) { output.frontier[1] = 9; };
  around.step({3, 3, 3});
  CHECK(around.says("reaches to round 9 of sender 1, of whom 3 are received"));
  around.order->after_step = nullptr;
  around.step({3, 3, 3});
  CHECK(around.says("moves back from round 9 of sender 1 to 3"));
  around.order->after_step = [](auto& output) { output.frontier[2] = 5; };
  around.step({4, 3, 5});
  CHECK(around.says("round 5 of sender 2, is not closed: 3 would be"));
}

TEST_CASE("checked names a closure that adds, and one that is not closed") {
  Around<Changed> around;
  around.order->after_close = [](auto frontier) { frontier[0] = 7; };
  Rounds frontier{3, 3, 3};
  around.checked->close(frontier);
  CHECK(around.says("closing takes sender 0 from round 3 on to 7"));
  around.order->after_close = [](auto closed) { closed[0] -= closed[0] != 0; };
  frontier = {3, 3, 3};
  around.checked->close(frontier);
  CHECK(around.says("is not closed"));
}

TEST_CASE("checked names a walk that goes too far, gets nowhere, ends early, or is out of order") {
  Around<Changed> around;
  const Rounds heads{2, 1, 0}, to{3, 3, 3};
  const auto answer = [&](multicast::Run run) {
    around.order->walks = [run](auto, auto, auto runs) {
      runs[0] = run;
      return std::size_t{1};
    };
  };
  answer({2, 5});
  around.walk(heads, to);
  CHECK(around.says("goes to round 5 of sender 2, and deliverable is what is below 3"));
  answer({1, 1});
  around.walk(heads, to);
  CHECK(around.says("gets no further: the next message of sender 1 has round 1"));
  answer({7, 1});
  around.walk(heads, to);
  CHECK(around.says("names sender 7 of 3"));
  answer({0, 3});
  around.walk(heads, to);
  CHECK(around.says("round 2 of sender 0 is delivered before what comes before it"));
  answer({2, 1});
  around.walk(heads, to);
  CHECK(around.said.empty());
  around.order->walks = [](auto, auto, auto) { return std::size_t{0}; };
  around.walk(heads, to);
  CHECK(around.says("ends before round 2 of sender 0, which is deliverable"));
  around.walk({3, mirror::no_round, 5}, to);
  CHECK(around.said.empty());
}

}  // namespace
}  // namespace squall::modules
