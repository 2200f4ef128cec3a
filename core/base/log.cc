#include "core/base/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace squall {
namespace {

Level level_from_environment() {
  const char* wanted = std::getenv("SQUALL_LOG");
  if (wanted == nullptr) return Level::warning;
  const std::string_view text(wanted);
  if (text == "debug") return Level::debug;
  if (text == "info") return Level::info;
  if (text == "error") return Level::error;
  return Level::warning;
}

void to_standard_error(Level level, std::string_view line) {
  static constexpr const char* names[] = {"debug", "info", "warning", "error"};
  // One write a line, so that lines of several processes do not mix.
  const std::string whole =
      fmt::format("squall {}: {}\n", names[static_cast<unsigned>(level)], line);
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

std::atomic<Level> current_level{level_from_environment()};
std::atomic<LogSink> current_sink{&to_standard_error};

}  // namespace

void set_log_level(Level level) {
  current_level.store(level, std::memory_order_relaxed);
}
Level log_level() {
  return current_level.load(std::memory_order_relaxed);
}
void set_log_sink(LogSink sink) {
  current_sink.store(sink ? sink : &to_standard_error);
}
void log_line(Level level, std::string_view line) {
  current_sink.load()(level, line);
}

}  // namespace squall
