#include "bench/terminal/lines.h"

#include <algorithm>
#include <utility>

namespace squall::terminal {

void Lines::read(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    open_.bytes += end;
    open_.too_long = open_.bytes > most_bytes_;
    if (open_.too_long)
      open_.text.clear();
    else
      open_.text += bytes.substr(0, end);
    if (end == bytes.size()) return;
    finish();
    bytes.remove_prefix(end + 1);
  }
}

void Lines::end() {
  if (open_.bytes > 0) finish();
}

void Lines::finish() {
  lines_.push_back(std::exchange(open_, {}));
}

}  // namespace squall::terminal
