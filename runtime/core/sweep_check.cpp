// check_sweep: the strategy against the parameters it is to search.
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/submission_check.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {

namespace {

using Problem = std::optional<SubmissionProblem>;

// Stands for "more than anybody may ask for": counts stop here instead of overflowing.
constexpr uint64_t count_max = uint64_t{1} << 62;
constexpr size_t enqueued_max = 10'000;
constexpr size_t rules_max = 1000;  // each is looked at for every point that is tried

bool is_continuous(const ParameterRange& range) {
  if (range.step || range.min.as_number() == range.max.as_number()) return false;
  return !range.min.is_int() || !range.max.is_int();
}

uint64_t saturated(double count) {
  return count >= static_cast<double>(count_max) ? count_max : static_cast<uint64_t>(count);
}

/// How many values a grid takes from a parameter. Not to be asked of a continuous range without
/// count.
uint64_t grid_points(const Parameter& parameter) {
  if (!parameter.range) return parameter.choices.size();
  const auto& range = *parameter.range;
  auto width = range.max.as_number() - range.min.as_number();
  // The division of decimals misses whole numbers by some 1e-16 of them; below the limit on members
  // that is far less than this.
  constexpr double slack = 1e-9;
  uint64_t points = width == 0 ? 1 : saturated(width + 1);
  if (range.step) points = saturated(std::floor(width / range.step->as_number() + slack) + 1);
  if (!range.count) return points;
  auto count = static_cast<uint64_t>(*range.count);
  return range.min.is_int() && range.max.is_int() ? std::min(points, count) : count;
}

/// The members of a grid, or count_max.
uint64_t grid_size(const std::vector<Parameter>& parameters) {
  uint64_t size = 1;
  for (const auto& parameter : parameters) {
    auto points = grid_points(parameter);
    if (points != 0 && size > count_max / points) return count_max;
    size *= points;
  }
  return size;
}

Problem too_many(const std::string& path, uint64_t members, const char* hint) {
  auto count = members >= count_max ? "far" : fmt::format("{} members,", members);
  return SubmissionProblem{
      path, fmt::format("the set would have {} more than {}", count, limits::set_members_max),
      hint};
}

Problem check_plain_run(const std::vector<Parameter>& parameters) {
  for (const auto& parameter : parameters)
    if (!parameter.is_constant()) {
      auto path = "parameters." + parameter.name;
      auto message = fmt::format("the parameter {} has more than one value", parameter.name);
      auto example = parameter.range ? parameter.range->min : parameter.choices.front();
      return SubmissionProblem{path, message,
                               fmt::format("run all of them with troupe sweep, or fix it: --param "
                                           "{}={}",
                                           parameter.name, example.to_text())};
    }
  return std::nullopt;
}

Problem check_grid(const std::vector<Parameter>& parameters) {
  for (const auto& parameter : parameters)
    if (parameter.range && is_continuous(*parameter.range) && !parameter.range->count)
      return SubmissionProblem{
          "parameters." + parameter.name + ".range",
          fmt::format("a grid cannot take points from the continuous range of {}", parameter.name),
          "add count: N or step: S to the range, or use strategy: random"};
  // How many there are where parameters depend on each other only the search can tell.
  bool depends = std::any_of(parameters.begin(), parameters.end(),
                             [](const Parameter& parameter) { return !parameter.when.empty(); });
  auto size = grid_size(parameters);
  if (size > limits::set_members_max && !depends)
    return too_many("parameters", size,
                    "take fewer values, or strategy: random with trials: N over the same space");
  return std::nullopt;
}

/// Draws and searches end with their trials, or with the space.
Problem check_trials(const Submission& submission) {
  const auto& trials = submission.sweep->trials;
  if (trials) {
    if (*trials > limits::set_members_max)
      return too_many("sweep.trials", *trials, "ask for fewer trials");
    return std::nullopt;
  }
  for (const auto& parameter : submission.experiment.parameters)
    if (parameter.range && is_continuous(*parameter.range))
      return SubmissionProblem{
          "sweep",
          fmt::format("a search of the endless range of {} would never end", parameter.name),
          "add trials: N"};
  auto size = grid_size(submission.experiment.parameters);
  if (size > limits::set_members_max) return too_many("sweep", size, "add trials: N");
  return std::nullopt;
}

Problem check_points(const SweepSpec& sweep) {
  if (sweep.points.size() > limits::set_members_max)
    return too_many("parameters", sweep.points.size(), "list fewer points");
  const auto& first = sweep.points.front();
  if (first.empty())
    return SubmissionProblem{"parameters[0]", "the point has no parameter", "write name: value"};
  size_t bytes = 0;
  for (size_t i = 0; i < sweep.points.size(); ++i) {
    const auto& point = sweep.points[i];
    auto path = fmt::format("parameters[{}]", i);
    bool same = point.size() == first.size();
    for (auto a = point.begin(), b = first.begin(); same && a != point.end(); ++a, ++b)
      same = a->first == b->first;
    if (!same)
      return SubmissionProblem{path, "the point has other parameters than the first one",
                               "give every point the same parameters"};
    for (const auto& [name, value] : point) {
      auto number = value.is_double() ? value.as_number() : 0.0;
      if (!value.is_scalar() || !std::isfinite(number))
        return SubmissionProblem{path + "." + name,
                                 fmt::format("the value of {} is no plain value", name),
                                 "use numbers, texts, true, false or null"};
      bytes += name.size() + value.to_text().size() + 4;
    }
  }
  if (bytes > limits::project_file_bytes_max)
    return SubmissionProblem{"parameters", "the points are too large together",
                             fmt::format("at most {}", bytes_text(limits::project_file_bytes_max))};
  return std::nullopt;
}

Problem check_list(const Submission& submission) {
  const auto& parameters = submission.experiment.parameters;
  const Parameter* first = nullptr;
  for (const auto& parameter : parameters) {
    auto path = "parameters." + parameter.name;
    if (parameter.range)
      return SubmissionProblem{
          path, fmt::format("strategy list cannot use the range of {}", parameter.name),
          "list the values, or use strategy: grid or random"};
    if (parameter.is_constant()) continue;
    if (!submission.sweep->points.empty())
      return SubmissionProblem{
          path, fmt::format("{} has several values beside listed points", parameter.name),
          "put it into each point, or give it one value"};
    if (first == nullptr) first = &parameter;
    if (first->choices.size() != parameter.choices.size())
      return SubmissionProblem{
          path,
          fmt::format("{} has {} values, but {} has {}", parameter.name, parameter.choices.size(),
                      first->name, first->choices.size()),
          "strategy list takes the first of each, then the second: make the lists equally long"};
    if (parameter.choices.size() > limits::set_members_max)
      return too_many(path, parameter.choices.size(), "list fewer values");
  }
  return submission.sweep->points.empty() ? std::nullopt : check_points(*submission.sweep);
}

bool is_known(std::string_view strategy) {
  const auto& all = sweep_strategies();
  return std::find(all.begin(), all.end(), strategy) != all.end();
}

bool learns(std::string_view strategy) {
  return is_known(strategy) && strategy != "grid" && strategy != "list" && strategy != "random" &&
         strategy != "sobol";
}

Problem check_settings(const SweepSpec& sweep) {
  if (!is_known(sweep.strategy))
    return SubmissionProblem{"sweep.strategy",
                             fmt::format("there is no strategy \"{}\"", sweep.strategy),
                             suggestion(sweep.strategy, sweep_strategies())};
  if (learns(sweep.strategy) && !sweep.metric)
    return SubmissionProblem{"sweep.metric",
                             fmt::format("strategy {} has nothing to learn from", sweep.strategy),
                             "add metric: max.NAME or min.NAME, or take strategy: random or sobol"};
  if (!sweep.more_metrics.empty() && sweep.strategy != "nsga2" && sweep.strategy != "auto" &&
      !sweep.strategy.starts_with("tpe"))
    return SubmissionProblem{
        "sweep.metric",
        fmt::format("strategy {} cannot search for several metrics at once", sweep.strategy),
        "use strategy: tpe, nsga2 or auto, or name one metric"};
  for (const auto* key : {"enqueue", "from"})
    if (!learns(sweep.strategy) && (key[0] == 'e' ? !sweep.enqueue.empty() : bool{sweep.from}))
      return SubmissionProblem{
          fmt::format("sweep.{}", key),
          fmt::format("strategy {} learns nothing and has no use for it", sweep.strategy),
          "use strategy: auto, or leave it out"};
  if (sweep.enqueue.size() > enqueued_max)
    return SubmissionProblem{"sweep.enqueue",
                             fmt::format("{} points are enqueued", sweep.enqueue.size()),
                             fmt::format("at most {}", enqueued_max)};
  if (sweep.trials && *sweep.trials != 0 && sweep.enqueue.size() > *sweep.trials)
    return SubmissionProblem{"sweep.enqueue",
                             fmt::format("{} points are enqueued, and trials is {}",
                                         sweep.enqueue.size(), *sweep.trials),
                             "raise trials, or list fewer points"};
  if (!sweep.early_stop.is_null() && !sweep.metric)
    return SubmissionProblem{"sweep.early_stop", "early stopping has no metric to compare by",
                             "add metric: max.NAME or min.NAME"};
  if (auto problem = check_run_elsewhere(sweep)) return problem;
  if (sweep.constraints.size() + sweep.forbidden.size() > rules_max)
    return SubmissionProblem{"sweep.constraints",
                             fmt::format("{} constraints and forbidden combinations are given",
                                         sweep.constraints.size() + sweep.forbidden.size()),
                             fmt::format("at most {}", rules_max)};
  if (sweep.trials && *sweep.trials == 0)
    return SubmissionProblem{"sweep.trials", "trials is 0", "give at least 1"};
  if (sweep.concurrency && *sweep.concurrency == 0)
    return SubmissionProblem{"sweep.concurrency", "concurrency is 0",
                             "give at least 1, or leave it out for as many as fit"};
  if (sweep.metric && sweep.metric->name.empty())
    return SubmissionProblem{"sweep.metric", "the metric has no name",
                             "write max.accuracy or min.loss"};
  if (!sweep.points.empty() && sweep.strategy != "list")
    return SubmissionProblem{"sweep.strategy",
                             fmt::format("listed points do not go with {}", sweep.strategy),
                             "use strategy: list"};
  return std::nullopt;
}

}  // namespace

Problem check_run_elsewhere(const SweepSpec& sweep) {
  if (sweep.ask && sweep.budget)
    return SubmissionProblem{"sweep.budget",
                             "what is run elsewhere cannot be counted against a budget",
                             "leave it out, or limit the trials"};
  if (sweep.ask && sweep.concurrency_sure)
    return SubmissionProblem{"sweep.concurrency",
                             "what is run elsewhere has no places here that it could give back",
                             "give the number of trials that may run at a time"};
  return std::nullopt;
}

const std::vector<std::string>& sweep_strategies() {
  static const std::vector<std::string> names{
      "grid", "list", "random", "sobol", "auto", "tpe", "tpe-independent", "gp", "cma-es", "nsga2"};
  return names;
}

std::optional<SubmissionProblem> check_sweep(const Submission& submission) {
  if (!submission.sweep) return check_plain_run(submission.experiment.parameters);
  if (auto problem = check_settings(*submission.sweep)) return problem;
  if (submission.experiment.parameters.empty() && submission.sweep->points.empty())
    return SubmissionProblem{"parameters", "there is no parameter to search",
                             "give some, such as --param lr=0.1,0.01 and {{lr}} in the command; "
                             "one experiment alone is a troupe run"};
  if (submission.sweep->strategy == "grid") return check_grid(submission.experiment.parameters);
  if (submission.sweep->strategy == "list") return check_list(submission);
  return check_trials(submission);
}

}  // namespace troupe
