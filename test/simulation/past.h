#pragma once
// The state of the groups under test: what was delivered so far, as numbers that say whether two
// have delivered the same. Members hand it to those who join, as an application does its own.

#include <cstdint>
#include <map>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "test/checker/trace.h"

namespace squall::scenarios {

struct Past {
  std::uint64_t version = 0;  ///< the position of the next delivery
  /// A chain over (position, sender, bytes), so of what was delivered and in which order.
  std::uint64_t chain = 0;
  /// By sender: how many of its messages.
  std::map<checker::Process, std::uint64_t> counts;

  void deliver(std::uint64_t position, const checker::Process& sender, Bytes message);
  std::uint64_t count_of(const checker::Process& sender) const;

  /// Equal pasts give equal bytes, each of its own length; what follows them is not read.
  std::vector<std::byte> encode() const;
  /// Code::invalid if they are cut short; else takes them off the front.
  static Result<Past> decode(Bytes& bytes);
  bool operator==(const Past&) const = default;
};

}  // namespace squall::scenarios
