#include <algorithm>

#include "test/repository/finding.h"

namespace squall::repository {
namespace {

constexpr std::size_t most_columns = 100;
constexpr std::size_t most_lines = 500;
// What a test writes, with a reason, beside a sleep that is not there to wait for something.
constexpr std::string_view sleep_escape = "sleep-ok: ";

// Words that must not stand in the code (strings and comments may say them). `asm volatile` is
// another thing than a volatile variable, and may.
struct Ban {
  std::string_view word;
  bool tests_only;
  std::string_view why;
};
const Ban bans[] = {
    {"volatile", false, "orders nothing between threads: use std::atomic"},
    {"this_thread::sleep_for", true,
     "a test waits for an event with a deadline, not for time to pass"},
    {"this_thread::sleep_until", true,
     "a test waits for an event with a deadline, not for time to pass"},
    {"usleep", true, "a test waits for an event with a deadline, not for time to pass"},
    {"nanosleep", true, "a test waits for an event with a deadline, not for time to pass"},
    {"static_cast<void>(read(", false, "g++ at -O2 asks for its result: do something with it"},
    {"static_cast<void>(write(", false, "g++ at -O2 asks for its result: do something with it"},
};

// Words that must stand nowhere, put together here so that this file may be checked too.
const std::string open_ends[] = {std::string("TO") + "DO", std::string("FIX") + "ME",
                                 std::string("XX") + "X"};

bool is_text(std::string_view path) {
  if (is_code(path)) return true;
  for (const std::string_view end : {".bazel", ".bzl", ".BUILD", ".sh", "WORKSPACE", "/run"})
    if (path.ends_with(end)) return true;
  return false;
}

std::size_t columns(std::string_view line) {
  return std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; });
}

bool may_sleep(const SourceFile& file, std::size_t line) {
  for (std::size_t at = line == 0 ? 0 : line - 1; at <= line; ++at) {
    const std::size_t escape = file.lines[at].find(sleep_escape);
    if (escape != std::string::npos &&
        file.lines[at].find_first_not_of(' ', escape + sleep_escape.size()) != std::string::npos)
      return true;
  }
  return false;
}

void check_line(const SourceFile& file, std::size_t index, bool& in_comment,
                std::vector<Finding>& findings) {
  const std::string& line = file.lines[index];
  const std::string where = file.path + ":" + std::to_string(index + 1);
  if (columns(line) > most_columns)
    findings.push_back({where, "has " + std::to_string(columns(line)) + " columns, over " +
                                   std::to_string(most_columns)});
  for (const std::string& word : open_ends)
    if (has_word(line, word))
      findings.push_back({where, "leaves a " + word + ": finish it, or open an issue"});
  if (!is_code(file.path)) return;
  const std::string code = code_only(line, in_comment);
  for (const Ban& ban : bans) {
    if (ban.tests_only && (!is_test(file.path) || may_sleep(file, index))) continue;
    if (has_word(code, ban.word) && !(ban.word == "volatile" && has_word(code, "asm")))
      findings.push_back(
          {where, "uses " + std::string(ban.word) + ", which " +
                      std::string(ban.tests_only ? "needs \"sleep-ok: why\": " : "") +
                      std::string(ban.why)});
  }
}

}  // namespace

std::vector<Finding> check_style(const std::filesystem::path& root) {
  std::vector<Finding> findings;
  for (const SourceFile& file :
       read_tree(root, {"core", "providers", "groups", "bench", "test", "third_party"})) {
    if (!is_text(file.path)) continue;
    bool in_comment = false;
    for (std::size_t i = 0; i < file.lines.size(); ++i) check_line(file, i, in_comment, findings);
    if (file.path.ends_with(".h") &&
        std::ranges::find(file.lines, "#pragma once") == file.lines.end())
      findings.push_back({file.path, "is a header without #pragma once"});
    if (file.lines.size() > most_lines)
      findings.push_back({file.path, "has " + std::to_string(file.lines.size()) + " lines, over " +
                                         std::to_string(most_lines) + ": a file is one idea"});
  }
  return findings;
}

}  // namespace squall::repository
