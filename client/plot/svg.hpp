// Writes SVG: well formed whatever the texts are, with one style sheet that knows light and dark,
// and colours that colour-blind people tell apart (Okabe and Ito 2008; ColorBrewer's YlGnBu). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::plot {

struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

enum class Anchor { start, middle, end };

/// Classes of the style sheet: "t" text, "m" muted text, "h" heading, "T" title, "g" grid, "a"
/// axis, "p" a point, "s" one that was stopped early, "r" one that runs, "x" one that failed, "b"
/// the best, "l" its line, "n" a trend, and the shades of standing(): "d0".."d9" dots and lines,
/// "q0".."q9" areas.
class Svg {
 public:
  static constexpr size_t shades = 10;

  Svg(double width, double height, std::string_view title);

  void text(double x, double y, std::string_view text, std::string_view style,
            Anchor anchor = Anchor::start);
  void line(double x1, double y1, double x2, double y2, std::string_view style);
  /// Through the points; a point that is no number breaks it.
  void path(const std::vector<std::pair<double, double>>& points, std::string_view style,
            std::string_view hover = {});
  void circle(double x, double y, double radius, std::string_view style,
              std::string_view hover = {});
  void rect(const Rect& rect, std::string_view style, std::string_view hover = {});
  /// Many dots of one colour in few bytes.
  void dots(const std::vector<std::pair<double, double>>& places, std::string_view style);
  /// The whole document.
  std::string finish() &&;

 private:
  void end(std::string_view name, std::string_view hover);

  std::string body_;
};

/// For XML: what it may not hold becomes U+FFFD.
std::string xml_text(std::string_view text);
/// About how wide a text is in the fonts that the style names.
double text_px(std::string_view text, double size = 12);
/// At most so wide; the end becomes "…".
std::string cut_px(std::string_view text, double width, double size = 12);
/// Likewise, the middle becomes "…": names with a path before them are told apart by their ends.
std::string cut_middle_px(std::string_view text, double width, double size = 12);
/// "d7", of a standing from 0 to 1.
std::string shade(char prefix, double standing);

}  // namespace troupe::plot
