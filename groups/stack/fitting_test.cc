// The nearest stack that fits: for every short list of modules, and for many modules at once.

#include "groups/stack/fitting.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "core/multicast/stage.h"
#include "groups/modules/fifo.h"
#include "groups/modules/module.h"

namespace squall {
namespace {

std::string text_of(const ModuleList& list) {
  std::string text;
  for (const auto* module : list) text += module->name + " ";
  return text;
}

/// Every list of so many modules, repeats included.
template <class Look>
void for_each_list(std::size_t length, ModuleList& prefix, Look look) {
  if (length == 0) return look(prefix);
  for (const auto* module : modules::modules()) {
    prefix.push_back(module);
    for_each_list(length - 1, prefix, look);
    prefix.pop_back();
  }
}

bool some_permutation_fits(ModuleList list) {
  std::ranges::sort(list);
  do {
    if (!misfit(list)) return true;
  } while (std::ranges::next_permutation(list).found);
  return false;
}

TEST_CASE("what is suggested fits; what fits in another sequence is suggested in that") {
  ModuleList prefix;
  for (std::size_t length = 0; length <= 4; ++length)
    for_each_list(length, prefix, [](const ModuleList& wanted) {
      const ModuleList nearest = nearest_fitting(wanted);
      INFO(text_of(wanted), "-> ", text_of(nearest));
      REQUIRE_FALSE(misfit(nearest));
      if (!misfit(wanted)) CHECK(nearest == wanted);
      if (some_permutation_fits(wanted)) CHECK(std::ranges::is_permutation(nearest, wanted));
      // Nothing is added but an order, or what something wanted needs.
      CHECK(nearest.size() <= wanted.size() + 1);
    });
}

class Passes final : public multicast::Stage {
 public:
  Passes(const multicast::Shape&, mirror::TableLayout&) {}
  void step(const multicast::StageInput& input, mirror::Table&,
            multicast::StageOutput& output) override {
    std::ranges::copy(input.below, output.frontier.begin());
  }
};

TEST_CASE("with a hundred modules more the answer is as quick, and needs are met in chains") {
  // Each needs what the one before it gives.
  constexpr unsigned first = 8, links = 20;
  for (unsigned link = 0; link < links; ++link)
    modules::Registration(
        modules::stage<Passes>(fmt::format("link{:02}", link), 1u << (first + link),
                               link == 0 ? modules::fifo_order : 1u << (first + link - 1)));
  for (int other = 0; other < 100; ++other)
    modules::Registration(modules::stage<Passes>(fmt::format("other{}", other)));
  ModuleList wanted;
  for (const auto* module : modules::modules()) wanted.insert(wanted.begin(), module);
  const ModuleList nearest = nearest_fitting(wanted);
  CHECK_FALSE(misfit(nearest));
  CHECK(nearest.size() >= links + 100);
  CHECK_FALSE(misfit(nearest_fitting({modules::find("link01")})));
}

}  // namespace
}  // namespace squall
