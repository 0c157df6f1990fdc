// Which parameters matter, how they go together, and two of them as a map.
#include "client/plot/panels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace troupe::plot {

namespace {

constexpr size_t bars_max = 15;
constexpr size_t parallel_axes_max = 12;
constexpr size_t parallel_lines_max = 1000;
constexpr size_t fine_from = 150;  // more lines than that are drawn fine

}  // namespace

void draw_importance(Svg& svg, const Rect& place, const Scene& scene) {
  const auto& study = scene.study;
  auto axes = scene.axes;
  auto more = axes.size() > bars_max ? axes.size() - bars_max : 0;
  axes.resize(axes.size() - more);
  auto note = fmt::format("share of the variance of {}{} (fANOVA)",
                          study.value_axis().log ? "log " : "", study.goals[0].name);
  auto top = draw_heading(svg, place, "Importance", note) + 10;
  struct Bar {
    std::string name;
    double share, deviation;
    const char* style;
  };
  std::vector<Bar> bars;
  for (auto axis : axes) {
    const auto& share = scene.model.shares()[axis];
    bars.push_back({study.axes[axis].name, share.mean, share.deviation, "p"});
  }
  if (scene.axes.size() > 1) bars.push_back({"only together", scene.model.together(), 0, "z"});
  double names = 0, longest = 1e-9;
  for (const auto& bar : bars) {
    names = std::max(names, text_px(bar.name));
    longest = std::max(longest, bar.share);
  }
  names = std::min(names, place.width * 0.4);
  auto left = place.x + names + 10, right = place.right() - 64;
  auto height = std::min(34.0, (place.bottom() - top - 8) / static_cast<double>(bars.size()));
  for (const auto& bar : bars) {
    auto width = std::max(1.0, (right - left) * bar.share / longest);
    auto middle = top + height / 2;
    svg.text(left - 8, middle + 4, cut_middle_px(bar.name, names), bar.style[0] == 'z' ? "m" : "t",
             Anchor::end);
    auto deviation =
        bar.deviation > 0 ? fmt::format(" ± {:.1f}", bar.deviation * 100) : std::string{};
    svg.rect({left, middle - height * 0.32, width, height * 0.64}, bar.style,
             fmt::format("{}: {:.1f}{} %", bar.name, bar.share * 100, deviation));
    svg.text(left + width + 7, middle + 4,
             bar.share >= 0.0995 ? fmt::format("{:.0f} %", bar.share * 100)
                                 : fmt::format("{:.1f} %", bar.share * 100),
             "m");
    top += height;
  }
  if (more > 0)
    svg.text(place.right(), place.bottom(), fmt::format("and {} less important ones", more), "m",
             Anchor::end);
}

namespace {

/// One axis of several beside each other. Where members have no value of it, they pass below.
struct Post {
  static constexpr double below = 26;  // px that the place for those takes

  Scale scale;
  double x;
  std::optional<double> none;

  double place_of(double value) const {
    return std::isnan(value) ? none.value_or(nothing) : scale(value);
  }
};

bool lacks_some(const Scene& scene, size_t axis) {
  return std::any_of(scene.ranked.begin(), scene.ranked.end(), [&](size_t member) {
    return std::isnan(scene.study.members[member].params[axis]);
  });
}

Post post_of(const Scene& scene, std::optional<size_t> axis, double x, const Rect& inner) {
  bool lacks = axis && lacks_some(scene, *axis);
  auto bottom = inner.bottom() - (lacks ? Post::below : 0);
  auto scaled = axis ? scene.study.axes[*axis] : scene.study.value_axis();
  return {Scale{scaled, bottom, inner.y}, x,
          lacks ? std::optional{inner.bottom() - 5} : std::nullopt};
}

void draw_post(Svg& svg, const Post& post, const Rect& place, double room, bool last) {
  const auto& axis = post.scale.axis();
  svg.line(post.x, place.y, post.x, place.bottom() - (post.none ? Post::below : 0), "a");
  auto most = static_cast<size_t>(place.height / (axis.is_category() ? 18 : 46));
  auto ticks = post.scale.ticks(most);
  if (post.none) ticks.push_back({nothing, "not active"});
  for (const auto& tick : ticks) {
    auto at = post.place_of(tick.value);
    svg.line(post.x - 3, at, post.x + 3, at, "a");
    auto label = cut_px(tick.label, room - 16);
    auto width = text_px(label) + 4;
    svg.rect({last ? post.x - 5 - width : post.x + 5, at - 8, width, 16}, "v");
    svg.text(post.x + (last ? -7 : 7), at + 4, label, "t", last ? Anchor::end : Anchor::start);
  }
}

/// Those to draw, the best last so that it lies on top: all, or the best and an even part of the
/// others.
std::vector<size_t> lines_of(const Scene& scene) {
  std::vector<size_t> lines = scene.ranked;
  if (lines.size() > parallel_lines_max) {
    constexpr size_t best = parallel_lines_max / 4, others = parallel_lines_max - best;
    auto rest = lines.size() - best;
    for (size_t i = 0; i < others; ++i) lines[best + i] = lines[best + i * rest / others];
    lines.resize(parallel_lines_max);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace

void draw_parallel(Svg& svg, const Rect& place, const Scene& scene) {
  const auto& study = scene.study;
  std::vector<size_t> shown = scene.axes;
  if (shown.size() > parallel_axes_max) shown.resize(parallel_axes_max);
  auto lines = lines_of(scene);
  std::string note;
  if (lines.size() < scene.ranked.size())
    note = fmt::format("{} of {} members", lines.size(), scene.ranked.size());
  if (shown.size() < scene.axes.size())
    note += fmt::format("{}the {} most important of {} parameters", note.empty() ? "" : ", ",
                        shown.size(), scene.axes.size());
  std::sort(shown.begin(), shown.end());  // as they were written
  auto top = draw_heading(svg, place, "Parallel coordinates", note) + 24;
  Rect inner{place.x + 30, top, place.width - 60, place.bottom() - top - 12};
  auto room = inner.width / static_cast<double>(shown.size());
  std::vector<Post> posts;
  for (size_t i = 0; i <= shown.size(); ++i) {
    bool last = i == shown.size();
    posts.push_back(post_of(scene, last ? std::nullopt : std::optional{shown[i]},
                            inner.x + room * static_cast<double>(i), inner));
  }
  for (auto line : lines) {
    const auto& member = study.members[line];
    std::vector<std::pair<double, double>> way;
    for (size_t i = 0; i <= shown.size(); ++i) {
      auto value = i == shown.size() ? member.values[0] : member.params[shown[i]];
      way.emplace_back(posts[i].x, posts[i].place_of(value));
    }
    auto style = shade('d', scene.standing[line]) + (lines.size() > fine_from ? " f" : "");
    svg.path(way, line == scene.ranked.front() ? "l" : style,
             lines.size() <= Scene::hover_max / 2 ? scene.hover(line) : "");
  }
  for (size_t i = 0; i <= shown.size(); ++i) {
    bool last = i == shown.size();
    draw_post(svg, posts[i], inner, room, last);
    auto name = cut_middle_px(last ? study.goals[0].name : study.axes[shown[i]].name, room - 8);
    svg.text(last     ? place.right()
             : i == 0 ? place.x
                      : posts[i].x,
             top - 12, name, "t",
             last     ? Anchor::end
             : i == 0 ? Anchor::start
                      : Anchor::middle);
  }
  draw_shades(svg, place.right() - 70, place.y + 10, "worse", "better");
  draw_legend(svg, place.right(), place.y + 10, {{"l", "best"}});
}

namespace {

/// Centres of `count` even parts, or the categories.
std::vector<double> centres(const Scale& scale, double from, double to, size_t count) {
  std::vector<double> at;
  if (scale.axis().is_category()) {
    for (size_t i = 0; i < scale.axis().labels.size(); ++i) at.push_back(static_cast<double>(i));
    return at;
  }
  for (size_t i = 0; i < count; ++i)
    at.push_back(scale.value_at(from + (to - from) * (static_cast<double>(i) + 0.5) /
                                           static_cast<double>(count)));
  return at;
}

}  // namespace

void draw_contour(Svg& svg, const Rect& place, const Scene& scene) {
  const auto& study = scene.study;
  auto first = scene.axes[0], second = scene.axes[1];
  const auto& x = study.axes[first];
  const auto& y = study.axes[second];
  auto frame = draw_frame(
      svg, place,
      {"Contour", fmt::format("mean {} over all else", study.goals[0].name), x.name, y.name}, x, y);
  const auto& inner = frame.inner;
  constexpr double cell = 8;  // px
  auto at_x = centres(frame.x, inner.x, inner.right(), static_cast<size_t>(inner.width / cell));
  auto at_y = centres(frame.y, inner.bottom(), inner.y, static_cast<size_t>(inner.height / cell));
  auto means = scene.model.marginal(first, at_x, second, at_y);
  auto [low, high] = std::minmax_element(means.begin(), means.end());
  bool log = study.value_axis().log;
  auto level = [&](double value) {
    auto share =
        log ? std::log(value / *low) / std::log(*high / *low) : (value - *low) / (*high - *low);
    if (!std::isfinite(share)) share = 0.5;
    return study.goals[0].maximize ? share : 1 - share;
  };
  auto width = inner.width / static_cast<double>(at_x.size());
  auto height = inner.height / static_cast<double>(at_y.size());
  for (size_t j = 0; j < at_y.size(); ++j) {
    // Neighbours of one shade are one piece.
    for (size_t i = 0; i < at_x.size();) {
      auto style = shade('q', level(means[i * at_y.size() + j]));
      auto end = i + 1;
      while (end < at_x.size() && shade('q', level(means[end * at_y.size() + j])) == style) ++end;
      svg.rect({inner.x + width * static_cast<double>(i),
                inner.bottom() - height * static_cast<double>(j + 1),
                width * static_cast<double>(end - i), height},
               style + " e");
      i = end;
    }
  }
  std::vector<Mark> marks;
  for (auto member : scene.ranked) {
    const auto& params = study.members[member].params;
    if (std::isnan(params[first]) || std::isnan(params[second])) continue;
    marks.push_back({frame.x(params[first]), frame.y(params[second]), member, "u"});
  }
  draw_marks(svg, scene, marks, 2.6);
  const auto& best = study.members[scene.ranked.front()];
  if (!std::isnan(best.params[first]) && !std::isnan(best.params[second]))
    svg.circle(frame.x(best.params[first]), frame.y(best.params[second]), 5.5, "b c",
               scene.hover(scene.ranked.front()));
  auto worse = number_text(study.goals[0].maximize ? *low : *high);
  auto better = number_text(study.goals[0].maximize ? *high : *low);
  draw_shades(svg, inner.right(), inner.y - 14, worse, better);
}

}  // namespace troupe::plot
