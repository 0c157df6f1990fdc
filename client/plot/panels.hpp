// The plots, each into a part of the paper. What one needs was checked before (check_kind). Pure.
#pragma once

#include "client/plot/scale.hpp"
#include "client/plot/scene.hpp"
#include "client/plot/svg.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::plot {

void draw_history(Svg& svg, const Rect& place, const Scene& scene);
void draw_parallel(Svg& svg, const Rect& place, const Scene& scene);
void draw_importance(Svg& svg, const Rect& place, const Scene& scene);
/// One parameter of the scene against the goal.
void draw_slice(Svg& svg, const Rect& place, const Scene& scene, size_t axis);
void draw_contour(Svg& svg, const Rect& place, const Scene& scene);
void draw_curves(Svg& svg, const Rect& place, const Scene& scene);
/// The goals `first` and `second`.
void draw_pareto(Svg& svg, const Rect& place, const Scene& scene, size_t first, size_t second);

/// A plot's heading, its two axes with grid and names, and the place between them.
struct Frame {
  Rect inner;
  Scale x, y;
};

struct FrameTexts {
  std::string heading, note;  // the note stands behind the heading, less strong
  std::string x_name, y_name;
};

Frame draw_frame(Svg& svg, const Rect& place, const FrameTexts& texts, const Axis& x,
                 const Axis& y);
/// Only the heading and its note; where the plot below begins.
double draw_heading(Svg& svg, const Rect& place, std::string_view heading, std::string_view note);

/// Mark and text, from the right end of the plot's head line to the left.
struct LegendEntry {
  std::string mark;  // a class: "l" and "n" lines, "x" a cross, else a dot
  std::string text;
};
void draw_legend(Svg& svg, double right, double y, const std::vector<LegendEntry>& entries);
/// "worse" to "better" in the shades.
void draw_shades(Svg& svg, double right, double y, std::string_view low, std::string_view high);
void draw_cross(Svg& svg, double x, double y, double size, std::string_view style);

/// Places of members on paper; one dot for those that would cover each other where they are many.
struct Mark {
  double x = 0, y = 0;
  size_t member = 0;
  std::string style;
};
void draw_marks(Svg& svg, const Scene& scene, const std::vector<Mark>& marks, double radius);

}  // namespace troupe::plot
