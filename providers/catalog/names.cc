#include "providers/catalog/names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace squall::catalog {
namespace {

constexpr std::array<std::string_view, 4> plain{automatic, "shm", "tcp", "verbs"};
// What people may write without the prefix: libfabric's own names.
constexpr std::array<std::string_view, 8> libfabric_names{"efa", "psm2",    "psm3", "cxi",
                                                          "opx", "sockets", "net",  "tcp;ofi_rxm"};
// Farther away than this it is another word, not a slip.
constexpr std::size_t slip = 2;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string nearest(std::string_view name) {
  std::string best;
  std::size_t least = slip + 1;
  const auto consider = [&](std::string_view candidate, std::string suggestion) {
    const std::size_t distance = edit_distance(name, candidate);
    // A suggestion must keep at least something of what was written.
    if (distance >= least || distance >= candidate.size()) return;
    least = distance;
    best = std::move(suggestion);
  };
  for (const std::string_view known : plain) consider(known, std::string(known));
  for (const std::string_view known : libfabric_names)
    consider(known, fmt::format("{}{}", libfabric_prefix, known));
  return best;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

Result<> check_name(std::string_view name) {
  const std::string known =
      fmt::format("known are {}, ofi:NAME (NAME as fi_info spells it)", fmt::join(plain, ", "));
  if (name.starts_with(libfabric_prefix)) {
    if (name.size() > libfabric_prefix.size()) return {};
    return fail(Code::invalid, "ofi: lacks the name of a libfabric provider",
                "write for example ofi:efa");
  }
  if (std::ranges::find(plain, name) != plain.end()) return {};
  // A long word is near nothing; also bounds the work.
  const std::string guess = name.size() > 32 ? "" : nearest(name);
  return fail(Code::invalid, fmt::format("there is no fabric \"{}\"", name),
              guess.empty() ? known : fmt::format("did you mean {}? {}", guess, known));
}

}  // namespace squall::catalog
