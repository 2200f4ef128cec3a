#include "providers/catalog/catalog.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "core/base/log.h"
#include "providers/catalog/names.h"
#include "providers/ofi/ofi.h"
#include "providers/shm/shm.h"

namespace squall::catalog {
namespace {

// In order of preference; every host has the first and the last.
constexpr std::array<std::string_view, 3> automatic_candidates{"shm", "verbs", "tcp"};
// Hardware that only libfabric knows, and the two that stand in for it in tests.
constexpr std::array<std::string_view, 8> libfabric_names{"efa", "psm2", "psm3", "cxi",
                                                          "opx", "ucx",  "shm",  "tcp;ofi_rxm"};

/// `name` has been checked and is not auto.
std::unique_ptr<fabric::Provider> provider(std::string_view name) {
  if (name == "shm") return shm::make_provider();
  if (name == "tcp") return ofi::make_tcp();
  if (name == "verbs") return ofi::make_verbs();
  return ofi::make_named(std::string(name.substr(libfabric_prefix.size())));
}

}  // namespace

Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options) {
  if (auto known = check_name(options.name); !known) return tl::unexpected(known.error());
  if (options.name == automatic)
    return fail(Code::invalid, "auto is a choice among fabrics, made by the whole group",
                "name one of shm, tcp, verbs, ofi:NAME here");
  return provider(options.name)->open(options);
}

Result<std::vector<std::unique_ptr<fabric::Fabric>>> open_candidates(
    const fabric::Options& options) {
  std::vector<std::unique_ptr<fabric::Fabric>> opened;
  if (options.name != automatic) {
    auto fabric = open(options);
    if (!fabric) return tl::unexpected(fabric.error());
    opened.push_back(std::move(*fabric));
    return opened;
  }
  std::string reasons;
  for (const std::string_view name : automatic_candidates) {
    fabric::Options one = options;
    one.name = name;
    auto fabric = open(one);
    if (fabric) {
      opened.push_back(std::move(*fabric));
      continue;
    }
    log(Level::info, "auto does without {}: {}", name, fabric.error().text());
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", name, fabric.error().text());
  }
  if (opened.empty())
    return fail(Code::unavailable, "this host has no fabric: " + reasons,
                "mend one of them, or set fabric.provider to one that it has");
  return opened;
}

std::vector<fabric::Device> survey() {
  std::vector<fabric::Device> all;
  const auto add = [&](std::vector<fabric::Device> some) {
    all.insert(all.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  };
  for (const std::string_view name : {"shm", "tcp", "verbs"}) add(provider(name)->survey());
  std::string missing;
  for (const std::string_view name : libfabric_names) {
    std::vector<fabric::Device> found = ofi::make_named(std::string(name))->survey();
    std::erase_if(found, [](const fabric::Device& device) { return !device.usable; });
    if (found.empty()) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
    add(std::move(found));
  }
  // One row for all of them: nobody has most of this hardware.
  if (!missing.empty()) {
    fabric::Device none;
    none.provider = "ofi:NAME";
    none.speed = "unknown";
    none.reason = fmt::format("libfabric has none of {} here", missing);
    all.push_back(std::move(none));
  }
  return all;
}

}  // namespace squall::catalog
