#include "providers/ofi/ofi_locked.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace squall::ofi {
namespace {

/// A number of /proc/self/status, in that base; 0 if there is none of that name.
std::uint64_t status(std::string_view name, int base) {
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name) && line.size() > name.size())
      return std::strtoull(line.c_str() + name.size(), nullptr, base);
  return 0;
}

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

Error too_little(std::string what, std::uint64_t needed, std::uint64_t limit) {
  const std::uint64_t kibibytes = (needed + 1023) / 1024;
  return {Code::unavailable,
          fmt::format("{}, and this process may lock {} (RLIMIT_MEMLOCK)", what, mebibytes(limit)),
          fmt::format("let it lock at least {}: ulimit -l {} where it is started, LimitMEMLOCK={}K "
                      "in its systemd unit, --ulimit memlock={} for its container",
                      mebibytes(kibibytes * 1024), kibibytes, kibibytes, kibibytes * 1024)};
}

}  // namespace

LockLimit LockLimit::here() {
  LockLimit limit;
  // What RDMA pins has its own count, beside mlock's.
  limit.locked = status("VmPin:", 10) * 1024;
  if ((status("CapEff:", 16) >> CAP_IPC_LOCK & 1) != 0) return limit;
  rlimit now{};
  if (getrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_cur != RLIM_INFINITY)
    limit.bytes = now.rlim_cur;
  return limit;
}

Result<> check_locked(std::string_view purpose, const LockPlan& plan, const LockLimit& limit) {
  if (!limit.bytes || limit.locked + plan.buffers <= *limit.bytes) return {};
  const std::string before = limit.locked == 0 ? "" : " beside " + mebibytes(limit.locked);
  return tl::unexpected(too_little(
      fmt::format("{} needs {} of registered memory{}", purpose, mebibytes(plan.buffers), before),
      limit.locked + plan.total(), *limit.bytes));
}

Error cannot_register(std::size_t bytes, int failed, const LockPlan& plan, const LockLimit& limit) {
  const std::string what =
      fmt::format("registering {} bytes fails: {}", bytes, std::strerror(failed));
  // Whoever may lock all it likes was refused by something else.
  const bool may_be_limit = failed == ENOMEM || failed == EAGAIN || failed == EPERM;
  if (may_be_limit && limit.bytes)
    return too_little(what, std::max(limit.locked + bytes, plan.total()), *limit.bytes);
  return {Code::io, what,
          failed == ENOMEM ? "free some memory, or use less: group.*.large_memory" : ""};
}

}  // namespace squall::ofi
