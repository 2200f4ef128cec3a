#include "bench/terminal/shown.h"

#include <fmt/format.h>

#include "core/base/printable.h"
#include "core/base/bytes.h"

namespace squall::terminal {

std::string shown(std::string_view sender, const Delivery& message) {
  return printable(fmt::format("{}#{}: {}", sender, message.number, as_text(message.bytes)));
}

}  // namespace squall::terminal
