#pragma once
// `squall info`: what this host has.

#include <string>
#include <vector>

#include "groups/fabrics.h"

namespace squall::cli {

/// The table of fabrics, pure.
std::string fabrics_table(const std::vector<FabricOnHost>& devices);

/// Prints fabrics and the host; gives the exit status.
int info();

}  // namespace squall::cli
