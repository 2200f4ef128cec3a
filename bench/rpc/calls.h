#pragma once
// The command's side of one case of calls: starts two members, of which the first calls.

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

enum class Calls : std::uint8_t {
  update,      ///< pipelined, with an argument of 8 bytes, each until every replica has replied
  read_here,   ///< one after the other
  read_there,  ///< at the other member, one after the other
  none,        ///< nobody calls: what being in groups costs
};
std::string name_of(Calls calls);

struct Called {
  double per_s = 0;             ///< updates executed, at the slower member
  double median_ns = 0;         ///< of one read
  double core_share = 0;        ///< processor time, of the busier member: 1 is a core
  std::uint64_t rss_bytes = 0;  ///< of the larger member
};

struct CallsPlan {
  std::string fabric;
  double seconds = 1;
  unsigned groups = 1;            ///< on the node, the object's included
  Duration failure_timeout = 5s;  ///< those who call keep the cores busy
};
Result<Called> run_calls(Calls calls, const CallsPlan& plan);

}  // namespace squall::bench
