#pragma once
// The command's side of one case of calls: starts two members, of which the first calls.

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace squall::bench {

enum class Calls : std::uint8_t {
  update,      ///< pipelined, with an argument of 8 bytes, each until every replica has replied
  read_here,   ///< one after the other
  read_there,  ///< at the other member, one after the other
};
std::string name_of(Calls calls);

/// Calls a second, executed at the slower member, for updates; else the median nanoseconds of one.
Result<double> run_calls(Calls calls, const std::string& fabric, double seconds);

}  // namespace squall::bench
