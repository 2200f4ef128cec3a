#include "bench/replicate/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace squall::replicate {
namespace {

std::string row(std::string_view what, const std::string& value) {
  return fmt::format("{:<26}{}\n", what, value);
}

}  // namespace

std::string in_bytes(double bytes) {
  static constexpr std::array<std::string_view, 5> units{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 999.95 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string in_time(Duration time) {
  const double us = std::chrono::duration<double, std::micro>(time).count();
  if (us < 1000) return fmt::format("{:.1f} us", us);
  if (us < 1e6) return fmt::format("{:.1f} ms", us / 1e3);
  return fmt::format("{:.2f} s", us / 1e6);
}

std::string progress_line(const Totals& totals, std::uint64_t files, std::uint64_t bytes,
                          Duration elapsed, unsigned columns) {
  const double share =
      totals.bytes == 0
          ? 1.0
          : std::min(1.0, static_cast<double>(bytes) / static_cast<double>(totals.bytes));
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const double rate = seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
  const std::string text = fmt::format(" {:3.0f} %  {}/s  {} of {} files", share * 100,
                                       in_bytes(rate), files, totals.files);
  if (columns < text.size() + 12) return text.substr(0, columns);
  const std::size_t width = std::min<std::size_t>(columns - text.size() - 2, 40);
  const auto done = static_cast<std::size_t>(share * static_cast<double>(width));
  return fmt::format("[{:=<{}}{:<{}}]{}", "", done, "", width - done, text);
}

std::string table(const Summary& summary, unsigned members) {
  const double seconds = std::max(summary.seconds, 1e-9);
  std::string text;
  text += row("replicated",
              fmt::format("{} files, {}, to {} members over {}", summary.files,
                          in_bytes(static_cast<double>(summary.bytes)), members, summary.fabric));
  if (summary.skipped > 0)
    text += row("skipped", fmt::format("{} sockets, pipes or devices", summary.skipped));
  text += row("time", fmt::format("{:.2f} s", summary.seconds));
  text += row("rate", fmt::format("{:.1f} MB/s, {:.0f} messages/s",
                                  static_cast<double>(summary.bytes) / seconds / 1e6,
                                  static_cast<double>(summary.messages) / seconds));
  if (summary.sender)
    text += row("send to stable delivery",
                fmt::format("median {}, p99 {}", in_time(summary.latency_p50),
                            in_time(summary.latency_p99)));
  text += row("digest, same everywhere", summary.digest);
  return text;
}

}  // namespace squall::replicate
