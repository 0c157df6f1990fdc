#include "client/plot/text_plot.hpp"

#include "client/plot/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace troupe::plot {

namespace {

size_t columns(const std::string& text) {
  size_t count = 0;
  for (unsigned char c : text) count += (c & 0xc0) != 0x80;
  return count;
}

std::string padded(const std::string& text, size_t width) {
  auto have = columns(text);
  return have < width ? std::string(width - have, ' ') + text : text;
}

std::string shortened(const std::string& text, size_t width) {
  if (columns(text) <= width) return text;
  size_t at = 0;
  for (size_t seen = 0; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && seen++ + 1 == width) break;
  return text.substr(0, at) + "…";
}

/// Two by four dots a character (Unicode's braille patterns).
class Canvas {
 public:
  Canvas(size_t width, size_t height) : width_{width}, cells_(width * height) {}

  void dot(size_t x, size_t y) {
    constexpr std::array<std::array<uint8_t, 4>, 2> bits{
        {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};
    cells_[y / 4 * width_ + x / 2] |= bits[x % 2][y % 4];
  }
  std::string line(size_t y) const {
    std::string text;
    for (size_t x = 0; x < width_; ++x) {
      auto cell = cells_[y * width_ + x];
      if (cell == 0) {
        text += ' ';
        continue;
      }
      text += '\xe2';
      text += static_cast<char>(0xa0 | cell >> 6);
      text += static_cast<char>(0x80 | (cell & 0x3f));
    }
    return text.substr(0, text.find_last_not_of(' ') + 1);
  }

 private:
  size_t width_;
  std::vector<uint8_t> cells_;
};

}  // namespace

std::vector<std::string> text_course(const TextCourse& course, size_t width, size_t height) {
  double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = -1e300;
  for (const auto* list : {&course.points, &course.steps})
    for (const auto& [x, y] : *list) {
      x_low = std::min(x_low, x);
      x_high = std::max(x_high, x);
      y_low = std::min(y_low, y);
      y_high = std::max(y_high, y);
    }
  if (x_low > x_high || height == 0) return {};
  auto low_text = number_text(y_low), high_text = number_text(y_high);
  auto names = std::max(columns(low_text), columns(high_text));
  if (width < names + 10) return {};
  auto room = width - names - 3;
  Canvas canvas{room, height};
  auto share = [&](double y) {
    if (!(y_high > y_low)) return 0.5;
    return course.log ? std::log(y / y_low) / std::log(y_high / y_low)
                      : (y - y_low) / (y_high - y_low);
  };
  auto place_x = [&](double x) {
    auto part = x_high > x_low ? (x - x_low) / (x_high - x_low) : 0;
    return static_cast<size_t>(part * static_cast<double>(2 * room - 1));
  };
  auto place_y = [&](double y) {
    auto part = std::clamp(share(y), 0.0, 1.0);
    return static_cast<size_t>(std::lround((1 - part) * static_cast<double>(4 * height - 1)));
  };
  for (const auto& [x, y] : course.points) canvas.dot(place_x(x), place_y(y));
  for (size_t i = 0; i < course.steps.size(); ++i) {
    auto at = place_x(course.steps[i].first), y = place_y(course.steps[i].second);
    auto end = i + 1 < course.steps.size() ? place_x(course.steps[i + 1].first) : 2 * room - 1;
    for (auto x = at; x <= end; ++x) canvas.dot(x, y);
    if (i + 1 == course.steps.size()) break;
    auto next = place_y(course.steps[i + 1].second);
    for (auto between = std::min(y, next); between <= std::max(y, next); ++between)
      canvas.dot(end, between);
  }
  std::vector<std::string> lines;
  for (size_t y = 0; y < height; ++y) {
    auto name = y == 0 ? high_text : y + 1 == height && height > 1 ? low_text : "";
    lines.push_back(
        fmt::format("{} {} {}", padded(name, names), name.empty() ? "│" : "┤", canvas.line(y)));
    lines.back().erase(lines.back().find_last_not_of(' ') + 1);
  }
  return lines;
}

std::vector<std::string> text_bars(const std::vector<TextBar>& bars, size_t width) {
  constexpr std::array parts{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  constexpr size_t number = 6, room_max = 40;
  size_t names = 0;
  double longest = 1e-9;
  for (const auto& bar : bars) {
    names = std::max(names, columns(bar.name));
    longest = std::max(longest, bar.share);
  }
  if (width < number + 12) return {};
  names = std::min(names, (width - number) / 2);
  auto room = std::min(room_max, width - names - number - 2);
  std::vector<std::string> lines;
  for (const auto& bar : bars) {
    auto eighths = static_cast<size_t>(
        std::lround(std::max(0.0, bar.share) / longest * static_cast<double>(8 * room)));
    std::string drawn;
    for (size_t i = 0; i < eighths / 8; ++i) drawn += "█";
    drawn += parts[eighths % 8];
    auto name = shortened(bar.name, names);
    lines.push_back(fmt::format("{}{} {} {}", name, std::string(names - columns(name), ' '), drawn,
                                bar.share >= 0.0995 ? fmt::format("{:.0f} %", bar.share * 100)
                                                    : fmt::format("{:.1f} %", bar.share * 100)));
  }
  return lines;
}

}  // namespace troupe::plot
