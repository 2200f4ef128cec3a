#pragma once
// One run of the real tool from its words to its end, for tests: what it says and how it ends.

#include <string>

namespace squall::bench {

struct Ran {
  int status = 0;      ///< 128: it was killed, or never began
  std::string output;  ///< of both streams
};

/// `words` are the shell's, without the tool's name. The tool is the test's data, //bench:squall.
Ran run_tool(const std::string& words);

}  // namespace squall::bench
