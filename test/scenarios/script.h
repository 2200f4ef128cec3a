#pragma once
// A scenario file: comments that say why, and commands with the exact output of each.
//
//   # A dead member costs no message.
//   crash b
//   ----
//   5.30 ms  b  crashed
//
// An output ends at the first empty line, and is empty if there is none. The form is that of
// datadriven tests (github.com/cockroachdb/datadriven), as etcd/raft uses them.

#include <string>
#include <string_view>
#include <vector>

namespace squall::scenarios {

struct Step {
  std::string before;   ///< comments and empty lines, as they stand
  std::string command;  ///< one line; empty at the end of a file that ends with comments
  std::string output;   ///< lines
  std::size_t line = 0;
};

struct Script {
  std::vector<Step> steps;

  static Script parse(std::string_view text);
  /// What `parse` reads.
  std::string text() const;
};

/// What differs, as lines with - (expected) and + (got) in front, and a few others around them;
/// empty if nothing does.
std::string difference(std::string_view expected, std::string_view got);

}  // namespace squall::scenarios
