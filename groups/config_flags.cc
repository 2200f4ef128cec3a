#include <fmt/format.h>

#include <algorithm>

#include "groups/config_keys.h"
#include "groups/config_load.h"
#include "groups/config_values.h"

namespace squall {
namespace {

/// Longer ones are no slip of anything.
constexpr std::size_t max_guessed_flag_bytes = 100;

std::string with_dashes(std::string_view text) {
  std::string out(text);
  std::ranges::replace(out, '_', '-');
  return out;
}

/// Whether a flag without prefix is for us to know.
bool is_our_flag(std::string_view body) {
  return std::ranges::any_of(
      config_keys(), [&](const ConfigKey& key) { return body.starts_with(key.section + "-"); });
}

/// What `body` ("node-name", "group-ticks-ring_bytes") says which key; empty if none.
std::string path_of(std::string_view body) {
  for (const ConfigKey& key : config_keys()) {
    if (!key.of_group()) {
      if ("--" + with_dashes(body) == key.flag({})) return key.path({});
      continue;
    }
    const std::string front = "group-";
    const std::string back = "-" + with_dashes(key.name);
    if (body.size() <= front.size() + back.size() || !body.starts_with(front) ||
        with_dashes(body.substr(body.size() - back.size())) != back)
      continue;
    const std::string_view group =
        body.substr(front.size(), body.size() - front.size() - back.size());
    if (is_plain_name(group)) return key.path(group);
  }
  return {};
}

tl::unexpected<Error> unknown(std::string_view word, std::string_view body,
                              const std::string& prefix) {
  std::vector<std::string> known;
  for (const ConfigKey& key : config_keys()) {
    if (!key.of_group()) {
      known.push_back(key.flag({}));
      continue;
    }
    // Wherever the group's name may end in what was written.
    constexpr std::string_view front = "group-";
    if (body.starts_with(front) && body.size() <= max_guessed_flag_bytes)
      for (auto at = body.find('-', front.size()); at != body.npos; at = body.find('-', at + 1))
        known.push_back(key.flag(body.substr(front.size(), at - front.size())));
    known.push_back(key.flag(any_group));
  }
  for (std::string& flag : known) flag.insert(2, prefix);
  const std::string guess = did_you_mean(word, known);
  std::vector<std::string> all = known_flags();
  for (std::string& flag : all) flag.insert(2, prefix);
  return fail(Code::invalid, fmt::format("unknown flag {}", clipped(word)),
              guess.empty() ? suggestion({}, all) : guess);
}

}  // namespace

std::vector<std::string> known_flags() {
  std::vector<std::string> flags;
  for (const ConfigKey& key : config_keys()) flags.push_back(key.flag(any_group));
  return flags;
}

Result<std::vector<KeyText>> take_flags(std::vector<std::string>& words, std::string_view prefix) {
  const std::string start = fmt::format("--{}", prefix);
  std::vector<std::string> left;
  std::vector<KeyText> taken;
  std::size_t i = 0;
  for (; i < words.size() && words[i] != "--"; ++i) {
    const auto equals = words[i].find('=');
    const std::string word = words[i].substr(0, equals);
    const std::string_view body =
        word.starts_with(start) ? std::string_view(word).substr(start.size()) : std::string_view{};
    if (body.empty() || (prefix.empty() && !is_our_flag(body))) {
      left.push_back(words[i]);
      continue;
    }
    std::string path = path_of(body);
    if (path.empty()) return unknown(word, body, std::string(prefix));
    if (equals != std::string::npos) {
      taken.push_back({std::move(path), words[i].substr(equals + 1), word});
    } else if (i + 1 < words.size() && !words[i + 1].starts_with("--")) {
      taken.push_back({std::move(path), words[++i], word});
    } else {
      return fail(Code::invalid, fmt::format("{} has no value", word),
                  fmt::format("{0} VALUE, or {0}=VALUE", word));
    }
  }
  left.insert(left.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  words = std::move(left);
  return taken;
}

}  // namespace squall
