#pragma once
// Curves over logarithmic axes, for a terminal and as SVG. Pure.

#include <string>
#include <vector>

namespace squall::bench {

struct Point {
  double x = 0;  ///< above 0
  double y = 0;  ///< above 0; in seconds
};

struct Curve {
  std::string name;
  char letter = '?';          ///< in the terminal
  std::vector<Point> points;  ///< with x ascending
};

/// At least one curve with a point.
struct Plot {
  std::string title;
  std::string x_name;
  std::vector<Curve> curves;
};

/// Where an axis begins and ends, and what is written on it.
struct Axis {
  double least = 1;
  double most = 10;
  std::vector<double> ticks;
  /// 0 at its begin, 1 at its end, by the logarithm.
  double place(double value) const;
};

/// From the last of 1, 2, 5, 10, 20, ... that is not above `least`, to the first not below `most`,
/// with decades as ticks, or these in between as well where decades are few.
Axis decades(double least, double most);

/// All x that have points as ticks of the first, decades on the second.
struct Axes {
  Axis x;
  Axis y;
};
Axes axes_of(const Plot& plot);

/// "20 us", "1 s", "0.5 ns".
std::string in_time(double seconds);

/// 24 lines of 78 columns; a letter is a point, `*` several of them.
std::string in_terminal(const Plot& plot);

/// A whole file, readable on a light and on a dark page (it asks which is preferred).
std::string as_svg(const Plot& plot);

}  // namespace squall::bench
