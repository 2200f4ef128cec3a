#include "test/groups/moment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// What has been kept from a process since its beginning; none if it is gone or that is not known.
Duration kept_from(pid_t pid) {
  std::error_code none;  // a task may end while this looks
  std::uint64_t sum = 0;
  for (std::filesystem::directory_iterator task(fmt::format("/proc/{}/task", pid), none), end;
       !none && task != end; task.increment(none)) {
    std::uint64_t ran = 0, waited = 0;
    if (std::ifstream(task->path() / "schedstat") >> ran >> waited) sum += waited;
  }
  return Duration(static_cast<Duration::rep>(sum));
}

}  // namespace

Moment Moment::now() {
  Moment moment(Monotonic::now());
  for (const pid_t pid : running_processes()) moment.before_.emplace_back(pid, kept_from(pid));
  return moment;
}

Moment Moment::operator+(Duration later) const {
  Moment moment = *this;
  return moment += later;
}

Moment& Moment::operator+=(Duration later) {
  at_ += later;
  return *this;
}

Duration Moment::kept() const {
  Duration sum{0};
  for (const auto& [pid, before] : before_)
    sum += std::max(kept_from(pid) - before, Duration::zero());
  return sum;
}

}  // namespace squall::group_tests
