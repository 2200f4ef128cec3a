#pragma once
// What a module says of itself, so that a stack can be checked before it is built, and how what it
// is made of gets into a channel. A module of one's own is a class and a line (an example is
// groups/examples/own_module.cc):
//
//   const squall::modules::Registration mine(squall::modules::stage<Majority>("majority"));

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/mirror/table.h"
#include "core/multicast/codec.h"
#include "core/multicast/stage.h"
#include "groups/modules/parameter.h"

namespace squall::modules {

/// A set of guarantees, as bits.
enum Property : unsigned {
  nothing = 0,
  fifo_order = 1u << 0,    ///< a sender's messages in the order it sent them
  causal_order = 1u << 1,  ///< after everything that its sender had delivered when it sent it
  total_order = 1u << 2,   ///< the same order at every member
  stability = 1u << 3,     ///< a message delivered anywhere is held by every member
};

struct PropertyText {
  Property property;
  std::string_view name;  ///< "stability"
  std::string_view rule;  ///< what an application gets of it, in a few words
};
/// All properties, the weakest order first.
std::span<const PropertyText> properties();

/// What one module of one stack is, from its arguments. It serves every view, and where several
/// members live in one process, all of them.
struct Recipe {
  /// Adds it to what a channel is made of, for one view; the modules below it have been added.
  /// Empty: there is nothing to add.
  std::function<void(const multicast::Shape&, mirror::TableLayout&, multicast::Stages&)> build = {};
  /// Changes bytes; nullptr for all others.
  std::shared_ptr<const multicast::Codec> codec = nullptr;
};

struct Module {
  std::string name;  ///< letters, digits, '_' and '-'
  std::vector<Parameter> parameters = {};
  unsigned requires_below = nothing;  ///< Properties that the modules below provide together
  unsigned provides = nothing;
  /// Defines the order of delivery: the lowest module of a stack, and exactly one in it.
  bool is_order = false;
  /// It is this member's own business: it changes neither bytes nor order, counts nothing in the
  /// table and provides nothing, so the others need not have it, nor its arguments.
  bool is_local = false;
  /// `below`: what the modules below it provide. Called when a node starts, with one argument for
  /// each parameter; an error is the node's.
  std::function<Result<Recipe>(const Arguments&, unsigned below)> prepare = {};
};

/// An order without parameters: `Built` is a multicast::Order made from (shape, layout).
template <class Built>
Module order(std::string name, unsigned provides) {
  Module module;
  module.name = std::move(name);
  module.provides = provides;
  module.is_order = true;
  module.prepare = [](const Arguments&, unsigned) -> Result<Recipe> {
    return Recipe{
        [](const multicast::Shape& shape, mirror::TableLayout& layout, multicast::Stages& stages) {
          stages.order = std::make_unique<Built>(shape, layout);
        }};
  };
  return module;
}

/// A stage without parameters: `Built` is a multicast::Stage made from (shape, layout).
template <class Built>
Module stage(std::string name, unsigned provides = nothing, unsigned requires_below = fifo_order) {
  Module module;
  module.name = std::move(name);
  module.requires_below = requires_below;
  module.provides = provides;
  module.prepare = [](const Arguments&, unsigned) -> Result<Recipe> {
    return Recipe{
        [](const multicast::Shape& shape, mirror::TableLayout& layout, multicast::Stages& stages) {
          stages.above.push_back(std::make_unique<Built>(shape, layout));
        }};
  };
  return module;
}

/// Makes a module known by its name, for good. A name that is taken, or a module that could never
/// be part of a stack, is a broken invariant: the process ends with what is wrong. Before a node
/// starts, in one thread; an object with static storage duration does (in a library, only if the
/// linker keeps its object file).
class Registration {
 public:
  explicit Registration(Module module);
};

/// All modules, in alphabetical order. They stay where they are.
std::span<const Module* const> modules();

/// nullptr if there is none of that name.
const Module* find(std::string_view name);

}  // namespace squall::modules
