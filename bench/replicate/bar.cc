#include "bench/replicate/bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "bench/replicate/report.h"

namespace squall::replicate {

Bar::Bar(const Totals& totals) : totals_(totals), shown_(isatty(STDERR_FILENO) != 0) {}

void Bar::show(std::uint64_t files, std::uint64_t bytes) {
  if (!shown_) return;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const unsigned columns = known ? size.ws_col - 1u : 79u;
  fmt::print(stderr, "\r\x1b[K{}",
             progress_line(totals_, files, bytes, Monotonic::now() - start_, columns));
  std::fflush(stderr);
  dirty_ = true;
}

void Bar::clear() {
  if (dirty_) fmt::print(stderr, "\r\x1b[K");
  dirty_ = false;
}

}  // namespace squall::replicate
