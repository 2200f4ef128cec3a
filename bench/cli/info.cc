#include "bench/cli/info.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "core/fabric/topology.h"
#include "groups/fabrics.h"

namespace squall::cli {

std::string fabrics_table(const std::vector<FabricOnHost>& devices) {
  struct Column {
    std::string_view title;
    std::string FabricOnHost::*field;
    std::size_t width = 0;
  };
  Column columns[] = {{"fabric", &FabricOnHost::provider},
                      {"device", &FabricOnHost::device},
                      {"address", &FabricOnHost::address},
                      {"speed", &FabricOnHost::speed}};
  for (Column& column : columns) {
    column.width = column.title.size();
    for (const FabricOnHost& device : devices)
      column.width = std::max(column.width, (device.*column.field).size());
  }
  std::string text;
  for (const Column& column : columns) text += fmt::format("{:<{}}  ", column.title, column.width);
  text += "usable\n";
  for (const FabricOnHost& device : devices) {
    for (const Column& column : columns)
      text += fmt::format("{:<{}}  ", device.*column.field, column.width);
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
