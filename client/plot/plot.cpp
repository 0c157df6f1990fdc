#include "client/plot/plot.hpp"

#include "client/plot/panels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

namespace troupe::plot {

namespace {

constexpr double paper_width = 1240, single_width = 920, edge = 32, gap = 40;
constexpr size_t slices_max = 24;  // the most important ones
constexpr size_t slices_row = 3;

constexpr std::array names{"history", "importance", "parallel", "pareto",
                           "contour", "curves",     "slices"};

Error lacks(Kind kind, std::string detail, std::string hint) {
  return {Errc::invalid, fmt::format("no {} plot of this set", to_string(kind)), std::move(detail),
          std::move(hint)};
}

Result<void> check_model(const Scene& scene, Kind kind) {
  if (scene.axes.empty()) return lacks(kind, "none of its parameters varies", "see troupe show");
  if (!scene.model.usable())
    return lacks(kind,
                 scene.model.rows() < Model::rows_min
                     ? fmt::format("{} members ended with a value of {}; it takes {}",
                                   scene.model.rows(), scene.study.goals[0].name, Model::rows_min)
                     : fmt::format("{} is the same for all members", scene.study.goals[0].name),
                 "plot the history: --kind history");
  return ok();
}

/// One part of the page: how high it is, and whether it takes a whole row.
struct Panel {
  double height;
  bool wide;
  std::function<void(Svg&, const Rect&)> draw;
};

void add_slices(std::vector<Panel>& panels, const Scene& scene) {
  auto count = std::min(scene.axes.size(), slices_max);
  auto rows = (count + slices_row - 1) / slices_row;
  constexpr double height = 270;
  panels.push_back(
      {height * static_cast<double>(rows) + 26, true, [&scene, count](Svg& svg, const Rect& place) {
         auto note = std::string{"the line: mean over all other parameters"};
         if (count < scene.axes.size())
           note += fmt::format("; the {} most important of {}", count, scene.axes.size());
         auto top = draw_heading(svg, place, "Slices", note) + 2;
         draw_shades(svg, place.right(), place.y + 10, "earlier", "later");
         auto columns = std::min(slices_row, count);
         auto width =
             (place.width - gap * static_cast<double>(columns - 1)) / static_cast<double>(columns);
         for (size_t i = 0; i < count; ++i)
           draw_slice(svg,
                      {place.x + static_cast<double>(i % columns) * (width + gap),
                       top + static_cast<double>(i / columns) * height, width, height - 20},
                      scene, scene.axes[i]);
       }});
}

void add_pareto(std::vector<Panel>& panels, const Scene& scene) {
  constexpr size_t goals_max = 4;  // six pairs
  auto goals = std::min(goals_max, scene.study.goals.size());
  for (size_t first = 0; first < goals; ++first)
    for (size_t second = first + 1; second < goals; ++second)
      panels.push_back({400, false, [&scene, first, second](Svg& svg, const Rect& place) {
                          draw_pareto(svg, place, scene, first, second);
                        }});
}

std::vector<Panel> panels_of(const Scene& scene, const std::vector<Kind>& kinds) {
  std::vector<Panel> panels;
  auto add = [&](double height, bool wide, void (*draw)(Svg&, const Rect&, const Scene&)) {
    panels.push_back(
        {height, wide, [&scene, draw](Svg& svg, const Rect& place) { draw(svg, place, scene); }});
  };
  for (auto kind : kinds) switch (kind) {
      case Kind::history:
        add(340, false, draw_history);
        break;
      case Kind::importance:
        add(340, false, draw_importance);
        break;
      case Kind::parallel:
        add(380, true, draw_parallel);
        break;
      case Kind::pareto:
        add_pareto(panels, scene);
        break;
      case Kind::contour:
        add(400, false, draw_contour);
        break;
      case Kind::curves:
        add(400, false, draw_curves);
        break;
      case Kind::slices:
        add_slices(panels, scene);
        break;
    }
  return panels;
}

}  // namespace

std::string_view to_string(Kind kind) {
  return names[static_cast<size_t>(kind)];
}

Result<Kind> kind_from(std::string_view name) {
  for (auto kind : all_kinds)
    if (to_string(kind) == name) return kind;
  return Error{Errc::invalid, fmt::format("there is no plot `{}`", name), "",
               fmt::format("one of: {}", fmt::join(names, ", "))};
}

Result<void> check_kind(const Scene& scene, Kind kind) {
  const auto& study = scene.study;
  if (kind == Kind::curves) {
    if (study.curves.empty())
      return lacks(kind, "no member reported a metric more than once",
                   "report a value each step: docs/guide/logs-and-metrics.md");
    return ok();
  }
  if (study.goals.empty())
    return lacks(kind, "the set has no metric", "say which: --metric min.loss");
  if (kind == Kind::pareto) {
    if (study.goals.size() < 2)
      return lacks(kind, fmt::format("{} is its only metric", study.goals[0].name),
                   "name two: --metric min.loss,max.accuracy");
    if (study.front(0, 1).empty())
      return lacks(kind, "no member that ended has a value of both metrics", "see troupe show");
    return ok();
  }
  if (scene.ranked.empty())
    return lacks(kind, fmt::format("no member has ended with a value of {}", study.goals[0].name),
                 "see troupe show for how its members stand");
  if (kind == Kind::contour) {
    TROUPE_TRY(check_model(scene, kind));
    if (scene.axes.size() < 2)
      return lacks(
          kind, "it takes two parameters that vary",
          fmt::format("plot the one: --kind slices --params {}", study.axes[scene.axes[0]].name));
  } else if (kind == Kind::importance) {
    TROUPE_TRY(check_model(scene, kind));
  } else if (kind != Kind::history && (scene.axes.empty() || scene.ranked.size() < 2)) {
    return lacks(kind,
                 scene.axes.empty() ? "none of its parameters varies"
                                    : "one member alone has ended with a value",
                 "plot the history: --kind history");
  }
  return ok();
}

std::vector<Kind> kinds_of(const Scene& scene) {
  std::vector<Kind> kinds;
  for (auto kind : all_kinds)
    if (check_kind(scene, kind)) kinds.push_back(kind);
  return kinds;
}

std::string page(const Scene& scene, const std::vector<Kind>& kinds) {
  auto panels = panels_of(scene, kinds);
  bool single = panels.size() == 1 && kinds.front() != Kind::slices;
  auto width = single ? single_width : paper_width;
  // Halves stand beside each other; one that is left alone takes its row.
  struct Row {
    double height = 0;
    std::vector<const Panel*> panels;
  };
  std::vector<Row> rows;
  for (const auto& panel : panels) {
    bool beside = !panel.wide && !rows.empty() && rows.back().panels.size() == 1 &&
                  !rows.back().panels.front()->wide;
    if (!beside) rows.emplace_back();
    rows.back().panels.push_back(&panel);
    rows.back().height = std::max(rows.back().height, panel.height);
  }
  double height = 84;
  for (const auto& row : rows) height += row.height + gap;
  Svg svg{width, height, scene.study.title};
  svg.text(edge, 42, cut_px(scene.study.title, width - 2 * edge, 20), "T");
  svg.text(edge, 64, cut_px(scene.study.subtitle, width - 2 * edge), "m");
  double top = 92;
  for (const auto& row : rows) {
    auto count = static_cast<double>(row.panels.size());
    auto each = (width - 2 * edge - gap * (count - 1)) / count;
    for (size_t i = 0; i < row.panels.size(); ++i)
      row.panels[i]->draw(
          svg, {edge + static_cast<double>(i) * (each + gap), top, each, row.panels[i]->height});
    top += row.height + gap;
  }
  return std::move(svg).finish();
}

}  // namespace troupe::plot
