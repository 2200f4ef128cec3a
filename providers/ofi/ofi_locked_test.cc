// What is said where too little memory may be locked.
#include "providers/ofi/ofi_locked.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"

namespace squall::ofi {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

bool says(const Error& error, std::string_view words) {
  return error.text().find(words) != std::string::npos;
}

TEST_CASE("what fits into the limit passes, and so does all where there is none") {
  CHECK(check_locked("verbs", {8 * mib, mib}, {8 * mib, 0}));
  CHECK(check_locked("verbs", {std::uint64_t{1} << 50, 0}, {std::nullopt, 0}));
  CHECK(!check_locked("verbs", {8 * mib, mib}, {8 * mib, 1}));
}

TEST_CASE("a limit that is too low is told with what it is, and what it must be at least") {
  const auto refused = check_locked("verbs to 2 peers", {16 * mib, 1024 * mib}, {8 * mib, mib});
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::unavailable);
  CHECK(says(refused.error(), "verbs to 2 peers needs 16.0 MiB"));
  CHECK(says(refused.error(), "may lock 8.0 MiB"));
  CHECK(says(refused.error(), "at least 1041.0 MiB"));
  CHECK(says(refused.error(), "ulimit -l 1065984"));
  CHECK(says(refused.error(), "LimitMEMLOCK=1065984K"));
  CHECK(says(refused.error(), "--ulimit memlock=1091567616"));
}

TEST_CASE("a failed registration says the same, of all that is planned, if a limit can be why") {
  for (const int failed : {ENOMEM, EAGAIN, EPERM}) {
    const Error small = cannot_register(mib, failed, {}, {8 * mib, 8 * mib});
    CHECK(small.code == Code::unavailable);
    CHECK(says(small, "registering 1048576 bytes"));
    CHECK(says(small, "at least 9.0 MiB"));
    CHECK(says(cannot_register(mib, failed, {mib, 63 * mib}, {8 * mib, 8 * mib}),
               "at least 64.0 MiB"));
    CHECK(!says(cannot_register(mib, failed, {}, {std::nullopt, 0}), "ulimit"));
  }
  const Error other = cannot_register(mib, EINVAL, {}, {8 * mib, 0});
  CHECK(other.code == Code::io);
  CHECK(!says(other, "ulimit"));
}

TEST_CASE("the limit is this process's own") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit one{mib, mib};
    if (setrlimit(RLIMIT_MEMLOCK, &one) != 0) _exit(1);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capset, &header, sets) != 0) _exit(2);
    const LockLimit limit = LockLimit::here();
    _exit(limit.bytes == mib && !check_locked("verbs", {2 * mib, 0}, limit) ? 0 : 3);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace squall::ofi
