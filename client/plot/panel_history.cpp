// How the search went, and what single parameters did to its goal.
#include "client/plot/panels.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::plot {

namespace {

std::string goal_name(const Goal& goal) {
  return fmt::format("{} {}", goal.maximize ? "↑" : "↓", goal.name);
}

std::string best_note(const Scene& scene) {
  auto best = scene.study.best();
  if (!best) return {};
  const auto& member = scene.study.members[*best];
  return fmt::format("best {} with {}", number_text(member.values[0]), member.id);
}

/// Corner after corner of the best so far.
std::vector<std::pair<double, double>> best_line(const Study& study, const Frame& frame) {
  std::vector<std::pair<double, double>> line;
  double best = nothing, at = 0;
  for (const auto& member : study.members) {
    if (!member.counts(0)) continue;
    auto value = member.values[0];
    if (!std::isnan(best) && !study.goals[0].better(value, best)) continue;
    at = frame.x(static_cast<double>(member.number));
    if (!std::isnan(best)) line.emplace_back(at, frame.y(best));
    line.emplace_back(at, frame.y(value));
    best = value;
  }
  if (!std::isnan(best))
    line.emplace_back(frame.x(static_cast<double>(study.members.back().number)), frame.y(best));
  return line;
}

}  // namespace

void draw_history(Svg& svg, const Rect& place, const Scene& scene) {
  const auto& study = scene.study;
  Axis x;
  x.whole = true;
  x.low = static_cast<double>(study.members.front().number);
  x.high = static_cast<double>(study.members.back().number);
  auto y = study.value_axis();
  auto frame = draw_frame(svg, place,
                          {"History", best_note(scene), "member", goal_name(study.goals[0])}, x, y);
  std::vector<Mark> finished, stopped, running;
  size_t failed = 0;
  std::vector<std::pair<double, double>> crosses;
  for (size_t i = 0; i < study.members.size(); ++i) {
    const auto& member = study.members[i];
    auto at = frame.x(static_cast<double>(member.number));
    if (!member.has(0) || member.fate == Fate::failed) {
      if (member.fate == Fate::running) continue;
      ++failed;
      if (scene.hovers())
        draw_cross(svg, at, frame.inner.bottom() - 5, 3, "x");
      else
        crosses.emplace_back(at, frame.inner.bottom() - 4);
      continue;
    }
    Mark mark{at, frame.y(member.values[0]), i, "p"};
    if (member.fate == Fate::stopped) mark.style = "s";
    if (member.fate == Fate::running) mark.style = "r";
    (member.fate == Fate::finished  ? finished
     : member.fate == Fate::stopped ? stopped
                                    : running)
        .push_back(std::move(mark));
  }
  if (!crosses.empty()) svg.dots(crosses, "x");
  for (const auto* marks : {&running, &stopped, &finished}) draw_marks(svg, scene, *marks, 3.2);
  svg.path(best_line(study, frame), "l");
  if (auto best = study.best()) {
    const auto& member = study.members[*best];
    svg.circle(frame.x(static_cast<double>(member.number)), frame.y(member.values[0]), 5, "b",
               scene.hover(*best));
  }
  std::vector<LegendEntry> legend;
  if (!finished.empty()) legend.push_back({"p", "finished"});
  if (!stopped.empty()) legend.push_back({"s", "stopped early"});
  if (!running.empty()) legend.push_back({"r", "runs"});
  if (failed > 0) legend.push_back({"x", fmt::format("no result ({})", failed)});
  legend.push_back({"l", "best so far"});
  draw_legend(svg, frame.inner.right(), frame.inner.y - 14, legend);
}

void draw_slice(Svg& svg, const Rect& place, const Scene& scene, size_t axis) {
  const auto& study = scene.study;
  const auto& x = study.axes[axis];
  std::string note;
  if (scene.model.usable())
    note = fmt::format("explains {:.0f} %", scene.model.shares()[axis].mean * 100);
  auto frame =
      draw_frame(svg, place, {x.name, note, "", goal_name(study.goals[0])}, x, study.value_axis());
  std::vector<Mark> marks;
  auto last = static_cast<double>(study.members.back().number);
  for (size_t i = 0; i < study.members.size(); ++i) {
    const auto& member = study.members[i];
    if (!member.counts(0) || std::isnan(member.params[axis])) continue;
    auto at = frame.x(member.params[axis]);
    if (x.is_category()) {  // beside each other: some five rows, the same at every drawing
      auto room = frame.inner.width / static_cast<double>(x.labels.size());
      at += (static_cast<double>(member.number * 7 % 11) - 5) / 11 * std::min(room * 0.5, 40.0);
    }
    marks.push_back({at, frame.y(member.values[0]), i,
                     shade('q', static_cast<double>(member.number) / std::max(1.0, last))});
  }
  draw_marks(svg, scene, marks, 3);
  if (scene.model.usable()) {
    std::vector<double> at;
    if (x.is_category()) {
      for (size_t i = 0; i < x.labels.size(); ++i) at.push_back(static_cast<double>(i));
    } else {
      constexpr size_t steps = 60;
      for (size_t i = 0; i <= steps; ++i)
        at.push_back(frame.x.value_at(frame.x(x.low) + (frame.x(x.high) - frame.x(x.low)) *
                                                           static_cast<double>(i) / steps));
    }
    auto means = scene.model.marginal(axis, at);
    std::vector<std::pair<double, double>> line;
    auto half = x.is_category()
                    ? std::min(24.0, frame.inner.width / static_cast<double>(at.size()) * 0.35)
                    : 0;
    for (size_t i = 0; i < at.size(); ++i) {
      auto middle = frame.x(at[i]);
      line.emplace_back(middle - half, frame.y(means[i]));
      if (half > 0) {
        line.emplace_back(middle + half, frame.y(means[i]));
        line.emplace_back(nothing, nothing);
      }
    }
    svg.path(line, half > 0 ? "k" : "n");
  }
  if (auto best = study.best(); best && !std::isnan(study.members[*best].params[axis]))
    svg.circle(frame.x(study.members[*best].params[axis]), frame.y(study.members[*best].values[0]),
               4.5, "b", scene.hover(*best));
}

}  // namespace troupe::plot
