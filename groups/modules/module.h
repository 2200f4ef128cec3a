#pragma once
// What a module says of itself, so that a stack can be checked before it is built, and how its
// stage is made. To add a module: write its stage, add a line to `modules()`.

#include <memory>
#include <span>
#include <string_view>

#include "core/mirror/table.h"
#include "core/multicast/stage.h"

namespace squall::modules {

/// A set of guarantees, as bits.
enum Property : unsigned {
  nothing = 0,
  fifo_order = 1u << 0,   ///< a sender's messages in the order it sent them
  total_order = 1u << 1,  ///< the same order at every member
  stability = 1u << 2,    ///< a message delivered anywhere is held by every member
};

struct Module {
  std::string_view name;
  unsigned requires_below;  ///< Properties that the modules below must provide together
  unsigned provides;
  /// The lowest module of a stack defines the order of delivery; exactly one per stack.
  std::unique_ptr<multicast::Order> (*build_order)(const multicast::Shape&, mirror::TableLayout&);
  /// Set for every other module.
  std::unique_ptr<multicast::Stage> (*build_stage)(const multicast::Shape&, mirror::TableLayout&);
};

/// All modules, in alphabetical order.
std::span<const Module> modules();

/// nullptr if there is none of that name.
const Module* find(std::string_view name);

}  // namespace squall::modules
