// Runs scenario files and compares what happens with what they say.
//   bazel test //test/scenarios:replay_test
//   bazel run //test/scenarios:rewrite            the files say what happens now
//   bazel run //test/scenarios:replay -- FILE...  prints what happens

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "test/scenarios/script.h"
#include "test/scenarios/story.h"

namespace squall::scenarios {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view folder = "test/scenarios";

std::string read(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<fs::path> scenarios_in(const fs::path& where) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(where))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

struct Replayed {
  std::string text;
  std::vector<std::string> violations;
};

Replayed replay(const std::string& text) {
  Script script = Script::parse(text);
  Story story;
  for (Step& step : script.steps)
    if (!step.command.empty()) step.output = story.run(step.command);
  return {script.text(), story.violations()};
}

int run(std::vector<std::string> files, bool rewrite, bool print) {
  fs::path where = folder;
  // `bazel run` starts elsewhere, and says where it was called.
  if (const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY"))
    where = fs::path(workspace) / folder;
  std::vector<fs::path> paths(files.begin(), files.end());
  if (paths.empty()) paths = scenarios_in(where);
  std::size_t failed = 0;
  for (const fs::path& path : paths) {
    const std::string expected = read(path);
    const Replayed got = replay(expected);
    if (replay(expected).text != got.text) {
      ++failed;
      fmt::print("{}: two runs differ\n", path.filename().string());
    }
    if (print) fmt::print("{}", got.text);
    if (rewrite && got.text != expected) {
      std::ofstream(path) << got.text;
      fmt::print("{}: rewritten\n", path.filename().string());
    }
    const bool differs = !rewrite && !print && got.text != expected;
    failed += differs || !got.violations.empty();
    if (!print && !rewrite)
      fmt::print("{}: {}\n", path.filename().string(),
                 differs || !got.violations.empty() ? "FAILED" : "ok");
    for (const std::string& violation : got.violations) fmt::print("  {}\n", violation);
    if (differs)
      fmt::print("{}If this is as it should be: bazel run //test/scenarios:rewrite\n\n",
                 difference(expected, got.text));
  }
  if (paths.empty()) fmt::print("no scenarios in {}\n", where.string());
  return failed == 0 && !paths.empty() ? 0 : 1;
}

}  // namespace
}  // namespace squall::scenarios

int main(int argc, char** argv) {
  std::vector<std::string> files;
  bool rewrite = false, print = false;
  CLI::App app("Scenarios of whole groups: commands, and what comes of them");
  app.add_option("files", files, "these only; else all of test/scenarios");
  app.add_flag("--rewrite", rewrite, "put what happens into the files");
  app.add_flag("--print", print, "print what happens");
  CLI11_PARSE(app, argc, argv);
  squall::set_log_level(squall::Level::error);
  return squall::scenarios::run(files, rewrite, print);
}
