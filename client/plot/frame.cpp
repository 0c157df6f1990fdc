// What all plots have: headings, axes, legends, marks.
#include "client/plot/panels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace troupe::plot {

namespace {

constexpr double label_px_max = 110;  // of the y axis: longer ones are cut

double widest(const std::vector<Tick>& ticks, double most) {
  double width = 0;
  for (const auto& tick : ticks) width = std::max(width, text_px(cut_px(tick.label, most)));
  return width;
}

/// As many ticks as stand beside each other without touching.
std::vector<Tick> fitting_ticks(const Scale& scale, double width) {
  for (auto most = static_cast<size_t>(std::max(2.0, width / 60)); most > 2; --most) {
    auto ticks = scale.ticks(most);
    auto room = width / static_cast<double>(std::max<size_t>(1, ticks.size()));
    bool fits = true;
    for (size_t i = 1; fits && i < ticks.size(); ++i) {
      auto between = std::abs(scale(ticks[i].value) - scale(ticks[i - 1].value));
      auto need = (text_px(ticks[i].label) + text_px(ticks[i - 1].label)) / 2 + 10;
      fits = between >= need;
    }
    if (fits || (scale.axis().is_category() && room >= 48)) return ticks;
  }
  return scale.ticks(2);
}

}  // namespace

double draw_heading(Svg& svg, const Rect& place, std::string_view heading, std::string_view note) {
  constexpr double bold = 1.12, note_px_min = 60;  // bold is wider
  auto shown = cut_middle_px(heading, place.width / bold, 14);
  svg.text(place.x, place.y + 14, shown, "h");
  auto behind = text_px(shown, 14) * bold + 14;
  if (!note.empty() && place.width - behind >= note_px_min)
    svg.text(place.x + behind, place.y + 14, cut_px(note, place.width - behind), "m");
  return place.y + 24;
}

Frame draw_frame(Svg& svg, const Rect& place, const FrameTexts& texts, const Axis& x,
                 const Axis& y) {
  auto top = draw_heading(svg, place, texts.heading, texts.note) + 22;
  auto bottom = place.bottom() - 40;
  Scale down{y, bottom, top};
  auto y_ticks = down.ticks(static_cast<size_t>(std::max(2.0, (bottom - top) / 34)));
  auto left = place.x + widest(y_ticks, label_px_max) + 12;
  auto right = place.right() - 14;
  Scale across{x, left, right};
  for (const auto& tick : y_ticks) {
    auto at = down(tick.value);
    svg.line(left, at, right, at, "g");
    svg.text(left - 7, at + 4, cut_px(tick.label, label_px_max), "m", Anchor::end);
  }
  auto x_ticks = fitting_ticks(across, right - left);
  auto room = (right - left) / static_cast<double>(std::max<size_t>(1, x_ticks.size())) - 8;
  for (const auto& tick : x_ticks) {
    auto at = across(tick.value);
    svg.line(at, bottom, at, bottom + 4, "a");
    auto label = x.is_category() ? cut_px(tick.label, room) : tick.label;
    auto half = text_px(label) / 2;
    // At the ends a label goes inward rather than over the edge.
    svg.text(std::clamp(at, place.x + half, std::max(place.x + half, place.right() - half)),
             bottom + 18, label, "m", Anchor::middle);
  }
  svg.line(left, bottom, right, bottom, "a");
  svg.text(place.x, top - 10, cut_px(texts.y_name, place.width / 2), "t");
  svg.text(right, bottom + 34, cut_middle_px(texts.x_name, right - left), "t", Anchor::end);
  return {{left, top, right - left, bottom - top}, std::move(across), std::move(down)};
}

void draw_legend(Svg& svg, double right, double y, const std::vector<LegendEntry>& entries) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    right -= text_px(entry->text);
    svg.text(right, y + 4, entry->text, "m");
    right -= 10;
    if (entry->mark == "l" || entry->mark == "n" || entry->mark.front() == 'd')
      svg.line(right - 12, y, right + 4, y, entry->mark);
    else if (entry->mark == "x")
      draw_cross(svg, right, y, 3, "x");
    else
      svg.circle(right, y, 3.5, entry->mark);
    right -= 22;
  }
}

void draw_shades(Svg& svg, double right, double y, std::string_view low, std::string_view high) {
  right -= text_px(high);
  svg.text(right, y + 4, high, "m");
  constexpr double width = 12;
  right -= 6 + width * Svg::shades;
  for (size_t i = 0; i < Svg::shades; ++i)
    svg.rect({right + width * static_cast<double>(i), y - 5, width, 10},
             shade('q', (static_cast<double>(i) + 0.5) / Svg::shades));
  svg.text(right - 6, y + 4, low, "m", Anchor::end);
}

void draw_cross(Svg& svg, double x, double y, double size, std::string_view style) {
  svg.path({{x - size, y - size},
            {x + size, y + size},
            {nothing, nothing},
            {x - size, y + size},
            {x + size, y - size}},
           style);
}

void draw_marks(Svg& svg, const Scene& scene, const std::vector<Mark>& marks, double radius) {
  if (scene.hovers()) {
    for (const auto& mark : marks)
      svg.circle(mark.x, mark.y, radius, mark.style, scene.hover(mark.member));
    return;
  }
  constexpr double cell = 2;  // px: what is nearer is one dot
  std::map<std::string, std::set<std::pair<int, int>>> cells;
  for (const auto& mark : marks) {
    auto style = mark.style;
    if (style.front() == 'q') style.front() = 'd';
    cells[style + " o"].emplace(static_cast<int>(mark.x / cell), static_cast<int>(mark.y / cell));
  }
  for (const auto& [style, places] : cells) {
    std::vector<std::pair<double, double>> dots;
    for (const auto& [x, y] : places) dots.emplace_back(x * cell, y * cell);
    svg.dots(dots, style);
  }
}

}  // namespace troupe::plot
