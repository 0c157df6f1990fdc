#include "client/cli/set_study.hpp"

#include "client/plot/scene.hpp"
#include "client/plot/text_plot.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <map>

namespace troupe::cli {

namespace {

constexpr uint32_t page = 250;         // members: a record has some kilobytes
constexpr size_t categories_max = 40;  // of more values only those that members have are shown
constexpr size_t curves_max = 100;
constexpr uint32_t curve_points_max =
    5000;  // asked for; what is drawn keeps lows and highs of these
constexpr size_t curve_buckets = 250;

plot::Fate fate_of(const Value& member) {
  auto state = text_of(member, "state");
  if (state == "FINISHED")
    return text_of(member, "stopped").empty() ? plot::Fate::finished : plot::Fate::stopped;
  if (state == "FAILED" || state == "KILLED" || state == "SKIPPED") return plot::Fate::failed;
  return plot::Fate::running;
}

/// An axis of a range as it was written.
plot::Axis range_axis(const Value& range) {
  plot::Axis axis;
  const auto* low = range.find("min");
  const auto* high = range.find("max");
  axis.low = number_of(low);
  axis.high = number_of(high);
  const auto* step = range.find("step");
  axis.whole = low->is_int() && high->is_int() && (step == nullptr || !step->is_double());
  axis.log = text_of(range, "scale") == "log" && axis.low > 0;
  return axis;
}

bool all_numbers(const std::vector<const Value*>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](const Value* value) { return value->is_number(); });
}

/// The ends of numbers that nobody gave a range for.
plot::Axis number_axis(const std::vector<const Value*>& values) {
  plot::Axis axis;
  axis.low = axis.high = values.front()->as_number();
  axis.whole = true;
  for (const auto* value : values) {
    axis.low = std::min(axis.low, value->as_number());
    axis.high = std::max(axis.high, value->as_number());
    axis.whole = axis.whole && value->is_int();
  }
  axis.log = axis.low > 0 && axis.high / axis.low >= 1000;
  return axis;
}

std::string label_of(const Value& value) {
  return value.is_null() ? "null" : value.to_text();
}

plot::Axis category_axis(const std::vector<const Value*>& values) {
  plot::Axis axis;
  for (const auto* value : values) axis.labels.push_back(label_of(*value));
  axis.high = static_cast<double>(axis.labels.size()) - 1;
  axis.ordered = all_numbers(values) &&
                 std::is_sorted(values.begin(), values.end(), [](const Value* a, const Value* b) {
                   return a->as_number() < b->as_number();
                 });
  return axis;
}

double place_of(const plot::Axis& axis, const Value& value) {
  if (value.is_null() && !axis.is_category()) return plot::nothing;
  if (!axis.is_category()) return value.is_number() ? value.as_number() : plot::nothing;
  auto at = std::find(axis.labels.begin(), axis.labels.end(), label_of(value));
  if (at == axis.labels.end()) return plot::nothing;
  return static_cast<double>(at - axis.labels.begin());
}

std::string title_of(const Value& set) {
  auto name = text_of(set, "name"), project = text_of(set, "project");
  return fmt::format("Set {}: {}", text_of(set, "id"),
                     name.empty() ? project : fmt::format("{} ({})", name, project));
}

std::string subtitle_of(const Value& set, const plot::Study& study) {
  auto text = text_of(set, "strategy");
  if (auto picked = text_of(set, "picked"); !picked.empty()) text += fmt::format(" ({})", picked);
  if (auto seed = text_of(set, "seed"); !seed.empty()) text += ", seed " + seed;
  text += fmt::format(" · {} member{}", study.members.size(), study.members.size() == 1 ? "" : "s");
  auto count = [&](plot::Fate fate, std::string_view what) {
    auto some = std::count_if(study.members.begin(), study.members.end(),
                              [&](const plot::Member& member) { return member.fate == fate; });
    if (some > 0) text += fmt::format(", {} {}", some, what);
  };
  count(plot::Fate::stopped, "stopped early");
  count(plot::Fate::failed, "failed or killed");
  count(plot::Fate::running, "not ended");
  if (study.goals.size() != 1) return text;
  if (auto best = study.best()) {
    const auto& member = study.members[*best];
    text += fmt::format(" · best {} {} with {}: {}", study.goals[0].name,
                        plot::number_text(member.values[0]), member.id, study.params_text(member));
  }
  return text;
}

}  // namespace

double number_of(const Value* value) {
  if (value == nullptr) return plot::nothing;
  if (value->is_number()) return value->as_number();
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  if (value->is_string() && value->as_string() == "Infinity") return infinity;
  if (value->is_string() && value->as_string() == "-Infinity") return -infinity;
  return plot::nothing;
}

Result<void> write_output(const std::string& file, std::string_view text) {
  std::error_code none;
  auto written = [&]() -> Result<void> {
    if (!std::filesystem::exists(file, none) || std::filesystem::is_regular_file(file, none))
      return replace_file(file, text, 0644, false);
    auto fd = open_file(file, O_WRONLY);
    return fd ? write_all(fd->get(), text) : Result<void>{std::move(fd).error()};
  }();
  if (written) return ok();
  const auto& why = written.error();
  return Error{why.code, fmt::format("{} was not written", file),
               why.detail.empty() ? why.what : fmt::format("{}: {}", why.what, why.detail),
               "choose a folder that is there and that you may write to"};
}

Result<void> visit_members(client::Client& head, const Value& set,
                           const std::function<void(const Value& member)>& each) {
  client::ListOptions options;
  options.set = text_of(set, "id");
  options.limit = page;
  // What comes behind is listed as it will be and was never made.
  auto next = int_of(set, "next");
  for (;;) {
    auto answer = head.list(options);
    if (!answer) return std::move(answer).error();
    for (const auto& member : list_of(*answer, "experiments")) {
      auto id = parse_experiment_id(text_of(member, "id"));
      if (!id || (id->member >= next && text_of(member, "state") == "QUEUED")) return ok();
      each(member);
    }
    options.page_token = text_of(*answer, "next_page_token");
    if (options.page_token.empty()) return ok();
  }
}

Result<StudyMaker> StudyMaker::make(const Value& set, const std::string& metric) {
  if (text_of(set, "kind") != "set")
    return Error{Errc::invalid, fmt::format("{} is no set", text_of(set, "id")),
                 "only a set has members to compare", "its metrics: troupe metrics"};
  StudyMaker maker;
  maker.set_ = set;
  if (maker.set_.is_map()) maker.set_.as_map().erase("members");
  SweepSpec sweep;
  if (auto text = metric.empty() ? text_of(set, "metric") : metric; !text.empty())
    if (auto read = read_objectives(text, sweep); !read) return std::move(read).error();
  for (const auto& goal : objectives(sweep))
    maker.study_.goals.push_back({goal.name, goal.maximize});
  for (const auto& parameter : list_of(set, "parameters"))
    maker.names_.push_back(text_of(parameter, "name"));
  maker.study_.title = title_of(set);
  return maker;
}

/// As the set compares: what a member reached at best, of several metrics its last values.
double StudyMaker::value_of(const Value& member, size_t goal) const {
  const auto& [name, maximize] = study_.goals[goal];
  const auto* metrics = member.find("metrics");
  if (metrics == nullptr) return goal == 0 ? number_of(member.find("value")) : plot::nothing;
  const auto* all = metrics->find("last");
  auto last = number_of(all == nullptr ? nullptr : all->find(name));
  if (study_.goals.size() > 1) return last;
  const auto* best = member.find("best");
  const auto* ends = best == nullptr ? nullptr : best->find(name);
  auto reached = number_of(ends == nullptr ? nullptr : ends->find(maximize ? "max" : "min"));
  return std::isnan(reached) ? last : reached;
}

void StudyMaker::add(const Value& member) {
  auto id = parse_experiment_id(text_of(member, "id"));
  if (!id) return;
  plot::Member one;
  one.id = text_of(member, "id");
  one.number = id->member;
  one.fate = fate_of(member);
  for (size_t i = 0; i < study_.goals.size(); ++i) {
    auto value = value_of(member, i);
    one.values.push_back(std::isfinite(value) ? value : plot::nothing);
  }
  const Value params = map_of(member, "params");
  for (const auto& [name, value] : params.as_map())
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) names_.push_back(name);
  std::vector<Value> row;
  for (const auto& name : names_) {
    const auto* value = params.find(name);
    row.push_back(value == nullptr ? Value{} : *value);
  }
  if (const auto* metrics = member.find("metrics"))
    for (const auto& [name, value] : map_of(*metrics, "last"))
      if (std::find(metrics_.begin(), metrics_.end(), name) == metrics_.end())
        metrics_.push_back(name);
  params_.push_back(std::move(row));
  study_.members.push_back(std::move(one));
}

plot::Axis StudyMaker::axis_of(const std::string& name, std::vector<const Value*>& seen) const {
  const Value* written = nullptr;
  for (const auto& parameter : list_of(set_, "parameters"))
    if (text_of(parameter, "name") == name) written = &parameter;
  plot::Axis axis;
  const auto& choices = written == nullptr ? list_of({}, "") : list_of(*written, "choices");
  if (const auto* range = written == nullptr ? nullptr : written->find("range");
      range != nullptr && range->is_map()) {
    axis = range_axis(*range);
  } else if (!choices.empty() && choices.size() <= categories_max) {
    std::vector<const Value*> values;
    for (const auto& choice : choices) values.push_back(&choice);
    axis = category_axis(values);
  } else if (!seen.empty()) {
    // Each once, in their order.
    std::vector<const Value*> values;
    std::map<std::string, const Value*> known;
    for (const auto* value : seen)
      if (known.emplace(value->to_text(), value).second) values.push_back(value);
    axis = all_numbers(values) ? number_axis(values) : category_axis(values);
  } else {
    axis.high = axis.low;
  }
  axis.name = name;
  return axis;
}

plot::Study StudyMaker::finish() && {
  for (size_t i = 0; i < names_.size(); ++i) {
    std::vector<const Value*> seen;
    for (const auto& row : params_)
      if (i < row.size() && !row[i].is_null()) seen.push_back(&row[i]);
    study_.axes.push_back(axis_of(names_[i], seen));
  }
  for (size_t m = 0; m < study_.members.size(); ++m)
    for (size_t i = 0; i < names_.size(); ++i)
      study_.members[m].params.push_back(
          i < params_[m].size() ? place_of(study_.axes[i], params_[m][i]) : plot::nothing);
  study_.subtitle = subtitle_of(set_, study_);
  return std::move(study_);
}

Result<void> add_curves(client::Client& head, plot::Study& study, const std::string& metric) {
  study.curve_metric = metric;
  std::vector<size_t> wanted = study.goals.empty() ? std::vector<size_t>{} : study.ranked();
  std::vector<bool> known(study.members.size());
  for (auto member : wanted) known[member] = true;
  for (size_t i = 0; i < study.members.size(); ++i)
    if (!known[i]) wanted.push_back(i);
  study.curves_of = wanted.size();
  if (wanted.size() > curves_max) {
    constexpr size_t best = curves_max / 4, others = curves_max - best;
    auto rest = wanted.size() - best;
    for (size_t i = 0; i < others; ++i) wanted[best + i] = wanted[best + i * rest / others];
    wanted.resize(curves_max);
  }
  bool course = false;
  for (auto member : wanted) {
    auto id = parse_experiment_id(study.members[member].id);
    if (!id) continue;
    auto series = head.metric(*id, metric, curve_points_max);
    if (!series && series.error().code == Errc::not_found) continue;
    if (!series) return std::move(series).error();
    plot::Curve curve;
    curve.member = member;
    for (const auto& point : list_of(*series, "points")) {
      auto step = number_of(point.find("step")), value = number_of(point.find("value"));
      if (std::isfinite(step) && std::isfinite(value)) curve.points.emplace_back(step, value);
    }
    std::stable_sort(curve.points.begin(), curve.points.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    course = course || curve.points.size() > 1;
    curve.points = plot::thinned(curve.points, curve_buckets);
    if (!curve.points.empty()) study.curves.push_back(std::move(curve));
  }
  if (wanted.size() == study.curves_of) study.curves_of = study.curves.size();
  if (!course) study.curves.clear();  // single points say nothing that the history does not
  return ok();
}

std::string terminal_plots(const Value& set, const Output& out) {
  auto maker = StudyMaker::make(set, "");
  if (!maker) return {};
  const auto& members = list_of(set, "members");
  for (const auto& member : members) maker->add(member);
  auto study = std::move(*maker).finish();
  constexpr size_t members_min = 3;  // of fewer the table says all
  if (study.goals.empty() || study.ranked().size() < members_min) return {};
  const auto& goal = study.goals[0];
  plot::TextCourse course;
  course.log = study.value_axis().log;
  for (const auto& member : study.members) {
    if (!member.counts(0)) continue;
    auto at = static_cast<double>(member.number);
    course.points.emplace_back(at, member.values[0]);
    if (course.steps.empty() || goal.better(member.values[0], course.steps.back().second))
      course.steps.emplace_back(at, member.values[0]);
  }
  constexpr size_t width_max = 100, height = 7;
  auto width = std::min(out.out().width, width_max);
  std::string text;
  auto more = !text_of(set, "members_next_page_token").empty();
  auto lines = plot::text_course(course, width, height);
  if (!lines.empty())
    text += fmt::format(
        "\n{}\n",
        out.paint(Colour::bold,
                  fmt::format("{} by member, and the best so far{}", safe_text(goal.name),
                              more ? fmt::format(" (the first {})", members.size()) : "")));
  for (const auto& line : lines) text += out.paint(Colour::cyan, line) + "\n";
  plot::Scene scene{study};
  if (!scene.model.usable() || scene.axes.size() < 2) return text;
  std::vector<plot::TextBar> bars;
  constexpr size_t bars_max = 8;
  for (auto axis : scene.axes)
    if (bars.size() < bars_max)
      bars.push_back({safe_text(study.axes[axis].name), scene.model.shares()[axis].mean});
  lines = plot::text_bars(bars, width);
  if (!lines.empty())
    text += fmt::format("\n{}\n", out.paint(Colour::bold, "importance of its parameters (fANOVA)"));
  for (const auto& line : lines) text += out.paint(Colour::cyan, line) + "\n";
  return text;
}

}  // namespace troupe::cli
