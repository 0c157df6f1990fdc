// Plots of characters, for terminals: a course of points and bars. Without colours. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace troupe::plot {

/// The lowest values are in the last line. Points as dots of braille, the line through them as far
/// as each reaches; numbers at the left, all together at most `width` columns.
struct TextCourse {
  std::vector<std::pair<double, double>> points;  // single ones
  std::vector<std::pair<double, double>> steps;   // each holds until the next
  bool log = false;
};
std::vector<std::string> text_course(const TextCourse& course, size_t width, size_t height);

struct TextBar {
  std::string name;
  double share = 0;  // of 1
};
/// "lr       ██████████▌ 57 %": the longest fills the room.
std::vector<std::string> text_bars(const std::vector<TextBar>& bars, size_t width);

}  // namespace troupe::plot
