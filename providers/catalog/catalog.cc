#include "providers/catalog/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "core/base/log.h"
#include "core/fabric/topology.h"
#include "providers/catalog/names.h"
#include "providers/mixed/mixed.h"
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

/// Several, and not only memory.
bool can_mix(const Candidates& candidates) {
  return candidates.size() > 1 && std::ranges::any_of(candidates, [](const auto& candidate) {
           return !candidate->capabilities().maps;
         });
}

}  // namespace

Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options) {
  if (auto known = check_name(options.name); !known) return tl::unexpected(known.error());
  if (options.name == automatic)
    return fail(Code::invalid, "auto is a choice among fabrics, made by the whole group",
                "name one of shm, tcp, verbs, ofi:NAME, or a mix like shm+tcp here");
  const std::vector<std::string> parts = parts_of(options.name);
  if (parts.size() == 1) return provider(options.name)->open(options);
  Candidates children;
  for (const std::string& part : parts) {
    fabric::Options one = options;
    one.name = part;
    auto child = provider(part)->open(one);
    if (!child) return child;
    children.push_back(std::move(*child));
  }
  return mixed::make(options.name, fabric::host_identity(), std::move(children));
}

std::vector<fabric::FabricAddress> announced(const Candidates& candidates, std::string_view host) {
  std::vector<fabric::FabricAddress> all;
  for (const auto& candidate : candidates)
    all.push_back({std::string(candidate->name()), candidate->address()});
  if (!can_mix(candidates)) return all;
  if (std::string address = mixed::address_of(host, candidates); !address.empty())
    all.push_back({std::string(automatic), std::move(address)});
  return all;
}

Result<std::unique_ptr<fabric::Fabric>> keep(Candidates candidates, std::string_view name,
                                             std::string_view host) {
  if (name == automatic && can_mix(candidates))
    return mixed::make(std::string(name), host, std::move(candidates));
  const auto found = std::ranges::find(candidates, name, &fabric::Fabric::name);
  if (found == candidates.end())
    return fail(Code::unavailable, fmt::format("this node does not offer fabric {}", name));
  return std::move(*found);
}

Result<Candidates> open_candidates(const fabric::Options& options) {
  Candidates opened;
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
