// Learning curves, and fronts of two goals.
#include "client/plot/panels.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::plot {

void draw_curves(Svg& svg, const Rect& place, const Scene& scene) {
  const auto& study = scene.study;
  Axis x, y;
  x.whole = true;
  x.low = y.low = std::numeric_limits<double>::infinity();
  x.high = y.high = -x.low;
  for (const auto& curve : study.curves)
    for (const auto& [step, value] : curve.points) {
      x.low = std::min(x.low, step);
      x.high = std::max(x.high, step);
      if (std::floor(step) != step) x.whole = false;
      if (!std::isfinite(value)) continue;
      y.low = std::min(y.low, value);
      y.high = std::max(y.high, value);
    }
  if (y.low > y.high) y.low = y.high = 0;
  y.log = y.low > 0 && y.high / y.low >= 1000;
  auto note = study.curves.size() < study.curves_of
                  ? fmt::format("{} of {} members", study.curves.size(), study.curves_of)
                  : std::string{};
  auto frame = draw_frame(svg, place, {"Learning curves", note, "step", study.curve_metric}, x, y);
  // The best last, so that it lies on top.
  std::vector<const Curve*> curves;
  for (const auto& curve : study.curves) curves.push_back(&curve);
  auto standing = [&](const Curve* curve) {
    auto value = scene.standing.empty() ? nothing : scene.standing[curve->member];
    return std::isnan(value) ? -1 : value;
  };
  std::stable_sort(curves.begin(), curves.end(),
                   [&](const Curve* a, const Curve* b) { return standing(a) < standing(b); });
  for (const auto* curve : curves) {
    std::vector<std::pair<double, double>> way;
    for (const auto& [step, value] : curve->points)
      way.emplace_back(frame.x(step), std::isfinite(value) ? frame.y(value) : nothing);
    bool best = !scene.ranked.empty() && curve->member == scene.ranked.front();
    svg.path(way,
             best                  ? "l"
             : standing(curve) < 0 ? "r"
                                   : shade('d', standing(curve)),
             scene.hover(curve->member));
    // One point is no line.
    if (way.size() == 1 && std::isfinite(way[0].second))
      svg.circle(way[0].first, way[0].second, 2.5, best ? "b" : shade('q', standing(curve)));
  }
  if (scene.ranked.empty()) return;
  auto y_legend = frame.inner.y - 14;
  auto best = fmt::format("best {}", study.members[scene.ranked.front()].id);
  draw_legend(svg, frame.inner.right(), y_legend, {{"l", best}});
  draw_shades(svg, frame.inner.right() - text_px(best) - 50, y_legend, "worse", "better");
}

void draw_pareto(Svg& svg, const Rect& place, const Scene& scene, size_t first, size_t second) {
  const auto& study = scene.study;
  auto front = study.front(first, second);
  auto name = [&](size_t goal) {
    return fmt::format("{} {}",
                       goal == first ? (study.goals[goal].maximize ? "→" : "←")
                                     : (study.goals[goal].maximize ? "↑" : "↓"),
                       study.goals[goal].name);
  };
  auto note = fmt::format("{} member{} that none beats in both", front.size(),
                          front.size() == 1 ? "" : "s");
  auto frame = draw_frame(svg, place, {"Pareto front", note, name(first), name(second)},
                          study.value_axis(first), study.value_axis(second));
  std::vector<Mark> marks;
  for (size_t i = 0; i < study.members.size(); ++i) {
    const auto& member = study.members[i];
    if (member.counts(first) && member.counts(second))
      marks.push_back({frame.x(member.values[first]), frame.y(member.values[second]), i, "p"});
  }
  draw_marks(svg, scene, marks, 3.2);
  std::vector<std::pair<double, double>> steps;
  for (auto place_of : front) {
    const auto& member = study.members[place_of];
    auto x = frame.x(member.values[first]), y = frame.y(member.values[second]);
    // What a step encloses is beaten by the member at its corner.
    if (!steps.empty()) steps.emplace_back(x, steps.back().second);
    steps.emplace_back(x, y);
  }
  svg.path(steps, "l");
  for (auto place_of : front) {
    const auto& member = study.members[place_of];
    svg.circle(frame.x(member.values[first]), frame.y(member.values[second]), 4.5, "b",
               scene.hover(place_of));
  }
  draw_legend(svg, frame.inner.right(), frame.inner.y - 14, {{"p", "members"}, {"b", "front"}});
}

}  // namespace troupe::plot
