#pragma once
// A stack of modules: parsed from its text, checked before anything is built, then built anew for
// every view. "total | stable" reads from the lowest module up; what is sent passes it from the
// top.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/multicast/channel.h"
#include "core/multicast/codec.h"
#include "groups/modules/module.h"

namespace squall {

class Stack {
 public:
  /// The error names what does not fit and the nearest stack that does.
  static Result<Stack> parse(std::string_view text);

  /// In one spelling: "total | stable | batch(16 KiB, 50 us)".
  std::string text() const;
  /// The part of it that all members must share: without the modules that are a member's own
  /// business (`batch`, `checked`, `trace`).
  std::string shared_text() const;
  /// A set of modules::Property.
  unsigned provides() const;

  /// What a channel with this stack is made of.
  struct Parts {
    multicast::StageFactory stages;  ///< for every view
    multicast::Codecs codecs;        ///< for good
  };
  /// Fails where a module cannot be had here (a file that cannot be written).
  Result<Parts> prepare() const;

  /// A module with its arguments.
  struct Item {
    const modules::Module* module = nullptr;
    modules::Arguments arguments;
  };

 private:
  std::vector<Item> items_;
};

}  // namespace squall
