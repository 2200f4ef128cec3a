#include "bench/cli/info.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/fabric/topology.h"
#include "groups/fabrics.h"

namespace squall::cli {

namespace {

std::string_view port_text(fabric::PortState port) {
  switch (port) {
    case fabric::PortState::up:
      return "up";
    case fabric::PortState::down:
      return "down";
    case fabric::PortState::unknown:
      return "-";
  }
  return "-";
}

}  // namespace

std::string fabrics_table(const std::vector<FabricOnHost>& devices) {
  constexpr std::size_t columns = 6;
  using Row = std::array<std::string, columns>;
  std::vector<Row> rows{{"fabric", "device", "address", "port", "speed", "numa"}};
  for (const FabricOnHost& device : devices)
    rows.push_back({device.provider, device.device, device.address,
                    std::string(port_text(device.port)), device.speed,
                    device.numa_node < 0 ? "-" : std::to_string(device.numa_node)});
  std::array<std::size_t, columns> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    for (std::size_t i = 0; i < columns; ++i)
      text += fmt::format("{:<{}}  ", rows[at][i], widths[i]);
    if (at == 0) {
      text += "usable\n";
      continue;
    }
    const FabricOnHost& device = devices[at - 1];
    text += device.usable ? "yes" : "no";
    if (!device.reason.empty()) text += fmt::format(": {}", device.reason);
    text += '\n';
  }
  return text;
}

int info() {
  fmt::print("{}\n", fabrics_table(fabrics_on_host()));
  fmt::print("cores   {}\n", fmt::join(fabric::usable_cores(), ", "));
  const std::size_t cache = fabric::shared_cache_bytes();
  fmt::print("cache   {}\n", cache == 0 ? std::string("unknown")
                                        : fmt::format("{:.1f} MiB, shared by these cores",
                                                      static_cast<double>(cache) / (1 << 20)));
  fmt::print("memory  {} NUMA node{}\n", fabric::numa_nodes(),
             fabric::numa_nodes() == 1 ? "" : "s");
  return 0;
}

}  // namespace squall::cli
