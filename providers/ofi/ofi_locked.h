#pragma once
// How much memory this process may lock, which is what registering it does on RDMA devices, and
// what is said where that is too little. The kernel counts what is registered against
// RLIMIT_MEMLOCK (getrlimit(2)), unless the process has CAP_IPC_LOCK (capabilities(7)). Any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/error.h"

namespace squall::ofi {

struct LockLimit {
  std::optional<std::uint64_t> bytes;  ///< nullopt: as much as it likes
  std::uint64_t locked = 0;            ///< of that, now
  static LockLimit here();
};

/// What a fabric will register at most, in bytes.
struct LockPlan {
  std::uint64_t buffers = 0;  ///< it does not work without
  std::uint64_t objects = 0;  ///< copied instead where they cannot be
  std::uint64_t total() const { return buffers + objects; }
};

/// Code::unavailable if the buffers are more than may be locked: what to raise, what it is, to what
/// at least so that all fits. `purpose` begins the sentence: "verbs to 2 peers".
Result<> check_locked(std::string_view purpose, const LockPlan& plan, const LockLimit& limit);

/// Registering `bytes` failed with libfabric's error `failed` (positive). If a limit can be why,
/// Code::unavailable with what `check_locked` says; else Code::io.
Error cannot_register(std::size_t bytes, int failed, const LockPlan& plan, const LockLimit& limit);

}  // namespace squall::ofi
