#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/schedules/plot.h"

namespace squall::bench {
namespace {

constexpr int columns = 66, rows = 19;
constexpr int label_width = 8;

class Canvas {
 public:
  explicit Canvas(const Axes& axes) : axes_(axes), lines_(rows, std::string(columns, ' ')) {}

  int column(double x) const {
    return static_cast<int>(std::lround(axes_.x.place(x) * (columns - 1)));
  }
  int row(double y) const {
    return static_cast<int>(std::lround((1 - axes_.y.place(y)) * (rows - 1)));
  }
  char& at(int row, int column) {
    return lines_[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
  }
  const std::string& line(int row) const { return lines_[static_cast<std::size_t>(row)]; }

  /// Straight between its points, where nothing stands yet.
  void draw_line(const Curve& curve) {
    for (std::size_t i = 1; i < curve.points.size(); ++i) {
      const Point &from = curve.points[i - 1], &to = curve.points[i];
      const int first = column(from.x), last = column(to.x);
      for (int each = first; each < last; ++each) {
        const double part = static_cast<double>(each - first) / (last - first);
        char& cell = at(row(from.y * std::pow(to.y / from.y, part)), each);
        if (cell == ' ') cell = '.';
      }
    }
  }
  void draw_points(const Curve& curve) {
    for (const Point& point : curve.points) {
      char& cell = at(row(point.y), column(point.x));
      cell = cell == ' ' || cell == '.' ? curve.letter : '*';
    }
  }

 private:
  const Axes& axes_;
  std::vector<std::string> lines_;
};

/// Those that fit; the last one always does.
std::string x_labels(const Axis& axis, const Canvas& canvas) {
  std::string line(columns + label_width, ' ');
  std::size_t taken = line.size() + 1;
  for (auto tick = axis.ticks.rbegin(); tick != axis.ticks.rend(); ++tick) {
    const std::string label = fmt::format("{:.6g}", *tick);
    const std::size_t middle = static_cast<std::size_t>(canvas.column(*tick)) + label.size() / 2;
    const std::size_t begin = std::min(middle + 1, line.size()) - label.size();
    if (middle + 1 < label.size() || begin + label.size() + 1 > taken) continue;
    line.replace(begin, label.size(), label);
    taken = begin;
  }
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

}  // namespace

std::string in_terminal(const Plot& plot) {
  const Axes axes = axes_of(plot);
  Canvas canvas(axes);
  for (const Curve& curve : plot.curves) canvas.draw_line(curve);
  for (const Curve& curve : plot.curves) canvas.draw_points(curve);
  std::string text;
  for (int row = 0; row < rows; ++row) {
    const auto tick =
        std::ranges::find_if(axes.y.ticks, [&](double value) { return canvas.row(value) == row; });
    const bool labelled = tick != axes.y.ticks.end();
    std::string line = canvas.line(row);
    line.erase(line.find_last_not_of(' ') + 1);
    text += fmt::format("{:>{}} {}{}\n", labelled ? in_time(*tick) : "", label_width,
                        labelled ? '+' : '|', line);
  }
  text += fmt::format("{:>{}} +{:-<{}}\n", "", label_width, "", columns);
  text += fmt::format("{:>{}}{}\n", "", label_width + 2, x_labels(axes.x, canvas));
  text += fmt::format("{:>{}}{}:", "", label_width + 2, plot.x_name);
  for (const Curve& curve : plot.curves) text += fmt::format("  {} {}", curve.letter, curve.name);
  return text + "  * several\n";
}

}  // namespace squall::bench
