// Tables, axes and both plots, from times that are given.
#include "bench/schedules/plot.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/schedules/settings.h"
#include "bench/schedules/table.h"
#include "core/base/time.h"

namespace squall::bench {
namespace {

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

const Plot plot{.title = "a < b & c",
                .x_name = "members",
                .curves = {{"one", 'o', {{2, 0.02}, {8, 0.16}, {32, 10}}},
                           {"two", 't', {{2, 0.02}, {8, 0.03}, {32, 0.05}}}}};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("axes begin and end with 1, 2 or 5, and have decades as ticks where there are many") {
  const Axis wide = decades(0.0013, 42);
  CHECK(wide.least == doctest::Approx(0.001));
  CHECK(wide.most == doctest::Approx(50));
  REQUIRE(wide.ticks.size() == 5);
  CHECK(wide.ticks[0] == doctest::Approx(0.001));
  CHECK(wide.ticks[4] == doctest::Approx(10));
  const Axis narrow = decades(1, 4);
  REQUIRE(narrow.ticks.size() == 3);
  CHECK(narrow.ticks[2] == doctest::Approx(5));
  const Axis point = decades(2, 2);
  CHECK(point.least == doctest::Approx(2));
  CHECK(point.most == doctest::Approx(5));
  CHECK(point.place(2) == doctest::Approx(0));
  CHECK(point.place(5) == doctest::Approx(1));
}

TEST_CASE("times have the unit that suits them") {
  CHECK(in_time(10) == "10 s");
  CHECK(in_time(0.02) == "20 ms");
  CHECK(in_time(1e-3) == "1 ms");
  CHECK(in_time(5e-6) == "5 us");
  CHECK(in_time(2e-9) == "2 ns");
}

TEST_CASE("in a terminal, points are letters, and lines fall where times do") {
  const auto lines = lines_of(in_terminal(plot));
  REQUIRE(lines.size() == 22);
  for (const auto& line : lines) CHECK(line.size() <= 78);
  CHECK(lines[0].starts_with("    10 s +"));
  CHECK(lines[0].ends_with("o"));
  CHECK(lines[18].starts_with("   20 ms +*"));  // both begin there
  CHECK(lines[20].starts_with("          2 "));
  CHECK(lines[20].ends_with("32"));
  CHECK(lines[21] == "          members:  o one  t two  * several");
  const std::string all = in_terminal(plot);
  CHECK(std::ranges::count(all.substr(0, all.find("members")), 'o') == 2);
}

TEST_CASE("one point makes a plot") {
  const Plot one{.title = "", .x_name = "", .curves = {{"a", 'a', {{512, 1}}}}};
  CHECK(holds(in_terminal(one), "1 s +a"));
  CHECK(holds(as_svg(one), "<circle"));
  CHECK_FALSE(holds(as_svg(one), "nan"));
  CHECK_FALSE(holds(as_svg(one), "inf"));
}

TEST_CASE("an SVG has every curve by name, and is for light and dark pages") {
  const std::string svg = as_svg(plot);
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(holds(svg, "a &lt; b &amp; c"));
  CHECK(holds(svg, ">one</text>"));
  CHECK(holds(svg, ">two</text>"));
  CHECK(holds(svg, "prefers-color-scheme: dark"));
  CHECK(holds(svg, ">10 s</text>"));
}

TEST_CASE("names in an SVG do not cover each other") {
  Plot same = plot;
  for (Curve& curve : same.curves) curve.points = {{2, 1}, {4, 1}};
  const std::string svg = as_svg(same);
  std::vector<double> heights;
  for (std::size_t at = svg.find("class=\"name\""); at != svg.npos;
       at = svg.find("class=\"name\"", at + 1))
    heights.push_back(std::stod(svg.substr(svg.find(" y=\"", at) + 4)));
  REQUIRE(heights.size() == 2);
  CHECK(heights[1] - heights[0] >= 16);
}

const std::vector<Replicated> rows{
    {4, {60ms, 21ms, 40ms, 20ms}, {61ms, 21ms, 41ms, 20ms}, multicast::bulk::Kind::chain}};

TEST_CASE("the table has a column for each schedule, and what auto takes") {
  const std::string text = as_table({}, rows);
  CHECK(
      text ==
      "256 MB in blocks of 1 MiB, links of 100 Gb/s and 1.5 us; milliseconds until every member "
      "has it\n\n"
      "members         sequential              chain      binomial tree  binomial pipeline   auto "
      "takes\n"
      "      4             60.000             21.000             40.000             20.000   "
      "chain\n");
}

TEST_CASE("one line of JSON for each schedule") {
  const auto lines = lines_of(as_json({}, rows));
  REQUIRE(lines.size() == 4);
  const auto last = nlohmann::json::parse(lines[3]);
  CHECK(last["case"] == "schedules");
  CHECK(last["schedule"] == "binomial_pipeline");
  CHECK(last["members"] == 4);
  CHECK(last["size_bytes"] == 256'000'000);
  CHECK(last["seconds"] == 0.02);
  CHECK(last["auto"] == false);
  CHECK(nlohmann::json::parse(lines[1])["auto"] == true);
}

TEST_CASE("what cannot be run is refused, with what to change") {
  CHECK(check({}));
  const auto uncounted = check({.object = {.bytes = std::uint64_t{16} << 30, .block_bytes = 1}});
  REQUIRE_FALSE(uncounted);
  CHECK(holds(uncounted.error().text(), "17179869184 blocks"));
  CHECK(holds(uncounted.error().text(), "4294967295"));
  CHECK(holds(uncounted.error().text(), "--block"));
  const auto many = check({.members = {2, 512}, .object = {.bytes = 1 << 20, .block_bytes = 64}});
  REQUIRE_FALSE(many);
  CHECK(holds(many.error().text(), "to 512 members no more than 4096"));
}

TEST_CASE("sizes have the unit that they are a multiple of") {
  CHECK(in_bytes(256'000'000) == "256 MB");
  CHECK(in_bytes(1 << 20) == "1 MiB");
  CHECK(in_bytes(64 << 10) == "64 KiB");
  CHECK(in_bytes(std::uint64_t{3} << 30) == "3 GiB");
  CHECK(in_bytes(1001) == "1001 B");
}

}  // namespace
}  // namespace squall::bench
