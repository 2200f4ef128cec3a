#pragma once
// Logging for the rare events: connections, losses, views, refusals. Never on the message
// path. One line an event on standard error, or wherever `set_log_sink` says. Any thread.

#include <fmt/format.h>

#include <string_view>

namespace squall {

enum class Level : unsigned char { debug, info, warning, error };

/// `line` has no newline; it lives for the call only.
using LogSink = void (*)(Level level, std::string_view line);

/// Lines below `level` are dropped before they are formatted. Default: warning, or what
/// SQUALL_LOG (debug, info, warning, error) says.
void set_log_level(Level level);
Level log_level();

/// nullptr restores standard error.
void set_log_sink(LogSink sink);

void log_line(Level level, std::string_view line);

template <class... Args>
void log(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (level >= log_level()) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace squall
