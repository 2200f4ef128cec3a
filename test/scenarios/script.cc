#include "test/scenarios/script.h"

#include <algorithm>

namespace squall::scenarios {
namespace {

constexpr std::string_view separator = "----";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace

Script Script::parse(std::string_view text) {
  Script script;
  const auto lines = lines_of(text);
  Step step;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (lines[at].empty() || lines[at].starts_with('#')) {
      step.before += std::string(lines[at]) + '\n';
      continue;
    }
    step.command = lines[at];
    step.line = at + 1;
    if (at + 1 < lines.size() && lines[at + 1] == separator)
      for (at += 2; at < lines.size() && !lines[at].empty(); ++at)
        step.output += std::string(lines[at]) + '\n';
    script.steps.push_back(std::move(step));
    step = {};
  }
  if (step.before.find('#') != std::string::npos) script.steps.push_back(std::move(step));
  return script;
}

std::string Script::text() const {
  std::string text;
  for (const Step& step : steps) {
    text += step.before;
    if (step.command.empty()) continue;
    text += step.command + '\n';
    if (!step.output.empty()) text += std::string(separator) + '\n' + step.output + '\n';
  }
  // Between two steps with output stands one empty line, the end has none.
  std::string tidy;
  for (std::size_t at = 0; at < text.size(); ++at)
    if (!text.substr(at).starts_with("\n\n\n")) tidy += text[at];
  while (tidy.ends_with("\n\n")) tidy.pop_back();
  return tidy;
}

std::string difference(std::string_view expected, std::string_view got) {
  const auto before = lines_of(expected), after = lines_of(got);
  // The longest common subsequence, by lengths of suffixes: files are short.
  std::vector<std::vector<std::size_t>> common(before.size() + 1,
                                               std::vector<std::size_t>(after.size() + 1));
  for (std::size_t i = before.size(); i-- > 0;)
    for (std::size_t j = after.size(); j-- > 0;)
      common[i][j] = before[i] == after[j] ? common[i + 1][j + 1] + 1
                                           : std::max(common[i + 1][j], common[i][j + 1]);
  constexpr std::size_t around = 3;
  std::vector<std::pair<char, std::string_view>> all;
  std::size_t i = 0, j = 0;
  while (i < before.size() || j < after.size()) {
    if (i < before.size() && j < after.size() && before[i] == after[j])
      all.emplace_back(' ', before[i++]), ++j;
    else if (j == after.size() || (i < before.size() && common[i + 1][j] >= common[i][j + 1]))
      all.emplace_back('-', before[i++]);
    else
      all.emplace_back('+', after[j++]);
  }
  std::string text;
  std::size_t shown = 0;
  for (std::size_t at = 0; at < all.size(); ++at) {
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(at - std::min(at, around));
    const auto to =
        all.begin() + static_cast<std::ptrdiff_t>(std::min(at + around + 1, all.size()));
    if (std::all_of(from, to, [](const auto& line) { return line.first == ' '; })) continue;
    if (at != shown) text += "...\n";
    text += all[at].first + std::string(" ") + std::string(all[at].second) + '\n';
    shown = at + 1;
  }
  return text;
}

}  // namespace squall::scenarios
