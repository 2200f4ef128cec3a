#pragma once
// A stack of modules: parsed from its text, checked before anything is built, then built anew for
// every view. "total | stable" reads from the lowest module up.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/multicast/channel.h"
#include "groups/modules/module.h"

namespace squall {

class Stack {
 public:
  /// The error names what does not fit and the nearest stack that does.
  static Result<Stack> parse(std::string_view text);

  /// In one spelling: "total | stable".
  std::string text() const;
  /// A set of modules::Property.
  unsigned provides() const;
  /// Builds the stages of this stack for a channel.
  multicast::StageFactory factory() const;

 private:
  std::vector<const modules::Module*> modules_;
};

}  // namespace squall
