#pragma once
// `squall info`: what this host has.

#include <string>
#include <vector>

#include "core/fabric/provider.h"

namespace squall::cli {

/// The table of fabrics, pure.
std::string fabrics_table(const std::vector<fabric::Device>& devices);

/// Prints fabrics and the host; gives the exit status.
int info();

}  // namespace squall::cli
