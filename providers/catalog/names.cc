#include "providers/catalog/names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/base/nearest.h"

namespace squall::catalog {
namespace {

constexpr std::array<std::string_view, 4> plain{automatic, "shm", "tcp", "verbs"};
// What people may write without the prefix: libfabric's own names.
constexpr std::array<std::string_view, 8> libfabric_names{"efa", "psm2",    "psm3", "cxi",
                                                          "opx", "sockets", "net",  "tcp;ofi_rxm"};
// Farther away than this it is another word, not a slip. Libfabric's names are many and short: one
// or another is two away from many a word of four letters.
constexpr std::size_t slip = 2, slip_of_libfabric = 1;

std::string suggest(std::string_view name) {
  std::string best;
  std::size_t least = slip + 1;
  const auto consider = [&](std::string_view candidate, std::size_t most, std::string suggestion) {
    const std::size_t distance = edit_distance(name, candidate);
    // A suggestion must keep at least something of what was written.
    if (distance > most || distance >= least || distance >= candidate.size()) return;
    least = distance;
    best = std::move(suggestion);
  };
  for (const std::string_view known : plain) consider(known, slip, std::string(known));
  for (const std::string_view known : libfabric_names)
    consider(known, slip_of_libfabric, fmt::format("{}{}", libfabric_prefix, known));
  return best;
}

/// A mix needs memory in the first place only, a network, and nothing twice.
Result<> check_mix(std::string_view name) {
  const std::vector<std::string> parts = parts_of(name);
  constexpr std::string_view example = "write for example shm+tcp";
  std::string_view wrong;
  for (auto part = parts.begin(); part != parts.end(); ++part) {
    if (auto known = check_name(*part); !known) return known;
    if (*part == automatic) wrong = "auto is a mix by itself";
    if (*part == "shm" && part != parts.begin()) wrong = "shm comes first, where it serves";
    if (std::find(parts.begin(), part, *part) != part) wrong = "one of them is named twice";
  }
  if (wrong.empty()) return {};
  return fail(Code::invalid, fmt::format("\"{}\" is no mix of fabrics: {}", name, wrong),
              std::string(example));
}

}  // namespace

std::vector<std::string> parts_of(std::string_view name) {
  std::vector<std::string> parts;
  for (std::size_t end = 0; end != name.npos; name.remove_prefix(end == name.npos ? 0 : end + 1)) {
    end = name.find(mixes);
    parts.emplace_back(name.substr(0, end));
  }
  return parts;
}

Result<> check_name(std::string_view name) {
  const std::string known =
      fmt::format("known are {}, ofi:NAME (NAME as fi_info spells it), and mixes like shm+tcp",
                  fmt::join(plain, ", "));
  if (name.find(mixes) != name.npos) return check_mix(name);
  if (name.starts_with(libfabric_prefix)) {
    if (name.size() > libfabric_prefix.size()) return {};
    return fail(Code::invalid, "ofi: lacks the name of a libfabric provider",
                "write for example ofi:efa");
  }
  if (std::ranges::find(plain, name) != plain.end()) return {};
  // A long word is near nothing; also bounds the work.
  const std::string guess = name.size() > 32 ? "" : suggest(name);
  return fail(Code::invalid, fmt::format("there is no fabric \"{}\"", name),
              guess.empty() ? known : fmt::format("did you mean {}? {}", guess, known));
}

}  // namespace squall::catalog
