#pragma once
// What happens while a command runs, told as few lines as it takes: what several members do alike
// is one line with all their names, and the first and the last time.

#include <string>
#include <vector>

#include "core/base/time.h"

namespace squall::scenarios {

class Journal {
 public:
  /// Things of one `kind` that the same processes do one after another share a line.
  void add(Time now, std::string who, std::string kind, std::string what);
  /// A line of its own, of nobody.
  void say(std::string line) { said_ += line + '\n'; }
  /// All since the last call, as text.
  std::string take();

 private:
  struct Entry {
    Time first;
    Time last;
    std::vector<std::string> who;
    std::string kind;
    std::string what;
  };
  std::vector<Entry> entries_;
  std::string said_;
};

}  // namespace squall::scenarios
