#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "bench/schedules/plot.h"

namespace squall::bench {
namespace {

constexpr double width = 760, height = 460;
constexpr double left = 70, right = 590, top = 48, bottom = 404;
constexpr double marker = 4;
constexpr double line_height = 16;  // of text
constexpr double x_label_space = 26;

// As many colours as markers; a curve is told from another by either, and by its name at its end.
constexpr std::string_view style = R"(<style>
text { font: 13px system-ui, sans-serif; fill: #222222; }
.page { fill: #ffffff; }
.grid { stroke: #dcdcdc; }
.curve { fill: none; stroke: currentColor; stroke-width: 2; }
.dot, text.name { fill: currentColor; }
.c0 { color: #b3261e; } .c1 { color: #9a5b00; } .c2 { color: #00695c; } .c3 { color: #1a56db; }
@media (prefers-color-scheme: dark) {
text { fill: #e6e6e6; }
.page { fill: #16181c; }
.grid { stroke: #3a3d44; }
.dot, text.name { fill: currentColor; }
.c0 { color: #ff8a80; } .c1 { color: #ffcc66; } .c2 { color: #5fd3c0; } .c3 { color: #8ab4ff; }
}
</style>
<rect class="page" width="100%" height="100%"/>
)";
constexpr std::size_t colours = 4;

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else
      safe += c;
  }
  return safe;
}

std::string dot(std::size_t shape, double x, double y) {
  switch (shape % colours) {
    case 0:
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>\n", x, y, marker);
    case 1:
      return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\"/>\n",
                         x - marker, y - marker, 2 * marker, 2 * marker);
    case 2:
      return fmt::format("<path d=\"M{:.1f} {:.1f}l{} {}h{}z\"/>\n", x, y - marker, marker,
                         2 * marker, -2 * marker);
    default:
      return fmt::format("<path d=\"M{:.1f} {:.1f}l{} {} {} {} {} {}z\"/>\n", x, y - marker - 1,
                         marker + 1, marker + 1, -marker - 1, marker + 1, -marker - 1, -marker - 1);
  }
}

class Drawing {
 public:
  explicit Drawing(const Plot& plot) : plot_(plot), axes_(axes_of(plot)) {}

  std::string text() {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\">\n",
        width, height);
    text_ += style;
    text_ +=
        fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", left, top - 22, escaped(plot_.title));
    draw_grid();
    for (std::size_t i = 0; i < plot_.curves.size(); ++i) draw_curve(i);
    draw_names();
    return text_ + "</svg>\n";
  }

 private:
  double x(double value) const { return left + axes_.x.place(value) * (right - left); }
  double y(double value) const { return bottom - axes_.y.place(value) * (bottom - top); }

  void grid_line(double x1, double y1, double x2, double y2) {
    text_ += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", x1, y1,
        x2, y2);
  }

  void draw_grid() {
    for (const double tick : axes_.y.ticks) {
      grid_line(left, y(tick), right, y(tick));
      text_ += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 8,
                           y(tick) + 4, in_time(tick));
    }
    double taken = right + 2 * x_label_space;
    for (auto tick = axes_.x.ticks.rbegin(); tick != axes_.x.ticks.rend(); ++tick) {
      if (x(*tick) > taken - x_label_space) continue;
      taken = x(*tick);
      grid_line(x(*tick), top, x(*tick), bottom);
      text_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.6g}</text>\n",
                           x(*tick), bottom + line_height + 2, *tick);
    }
    text_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                         (left + right) / 2, bottom + 2.4 * line_height, escaped(plot_.x_name));
  }

  void draw_curve(std::size_t i) {
    std::string line, dots;
    for (const Point& point : plot_.curves[i].points) {
      line += fmt::format("{:.1f},{:.1f} ", x(point.x), y(point.y));
      dots += dot(i, x(point.x), y(point.y));
    }
    text_ += fmt::format(
        "<g class=\"c{}\">\n<polyline class=\"curve\" points=\"{}\"/>\n"
        "<g class=\"dot\">\n{}</g>\n</g>\n",
        i % colours, line, dots);
  }

  /// Beside the ends of the curves, from the top down, none over another.
  void draw_names() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < plot_.curves.size(); ++i)
      if (!plot_.curves[i].points.empty()) order.push_back(i);
    const auto end = [&](std::size_t i) { return plot_.curves[i].points.back(); };
    std::ranges::stable_sort(order, [&](auto a, auto b) { return end(a).y > end(b).y; });
    double free = 0;
    for (std::size_t at = 0; at < order.size(); ++at) {
      // So high that those below still fit above the axis.
      const double lowest = bottom + 4 - static_cast<double>(order.size() - 1 - at) * line_height;
      const double here = std::max(free, std::min(y(end(order[at]).y) + 4, lowest));
      text_ +=
          fmt::format("<g class=\"c{}\"><text class=\"name\" x=\"{}\" y=\"{:.1f}\">{}</text></g>\n",
                      order[at] % colours, right + 12, here, escaped(plot_.curves[order[at]].name));
      free = here + line_height;
    }
  }

  const Plot& plot_;
  Axes axes_;
  std::string text_;
};

}  // namespace

std::string as_svg(const Plot& plot) {
  return Drawing(plot).text();
}

}  // namespace squall::bench
