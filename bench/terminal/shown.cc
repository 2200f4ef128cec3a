#include "bench/terminal/shown.h"

#include <fmt/format.h>

#include "bench/text/printable.h"
#include "core/base/bytes.h"

namespace squall::terminal {

std::string shown(std::string_view sender, const Delivery& message) {
  return bench::printable(fmt::format("{}#{}: {}", sender, message.number, as_text(message.bytes)));
}

}  // namespace squall::terminal
