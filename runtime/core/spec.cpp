#include "runtime/core/spec.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace troupe {

std::string shell_quote(std::string_view word) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"_-+=./:,@%"}.find(c) != std::string_view::npos;
  };
  bool safe = !word.empty();
  for (char c : word) safe = safe && plain(c);
  if (safe) return std::string{word};
  std::string quoted = "'";
  for (char c : word) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

std::string Command::to_text() const {
  if (argv.empty()) return shell;
  std::string text;
  for (const auto& word : argv) {
    if (!text.empty()) text += ' ';
    text += shell_quote(word);
  }
  return text;
}

bool is_parameter_name(std::string_view name) {
  if (name.empty() || name.size() > 100) return false;
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (!letter(name.front())) return false;
  for (char c : name)
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.') return false;
  return true;
}

namespace {

std::optional<ParameterProblem> check_range(const ParameterRange& range) {
  auto finite = [](const Value& v) { return v.is_number() && std::isfinite(v.as_number()); };
  if (!finite(range.min))
    return ParameterProblem{"min", "min is not a finite number", "give a number"};
  if (!finite(range.max))
    return ParameterProblem{"max", "max is not a finite number", "give a number"};
  auto min = range.min.as_number();
  auto max = range.max.as_number();
  if (min > max)
    return ParameterProblem{
        "min", fmt::format("min {} is above max {}", range.min.to_text(), range.max.to_text()),
        "swap them"};
  if (range.log && min <= 0)
    return ParameterProblem{
        "min", fmt::format("scale: log needs min above 0, it is {}", range.min.to_text()),
        "raise min, or leave scale out"};
  if (range.step) {
    if (!finite(*range.step) || range.step->as_number() <= 0)
      return ParameterProblem{"step", "step is not a number above 0",
                              "give a number above 0, or leave it out"};
    if (range.log)
      return ParameterProblem{"step", "step and scale: log do not go together",
                              "use count for the points of a grid"};
  }
  if (range.count && *range.count < 1)
    return ParameterProblem{"count", "count is below 1", "give the number of points"};
  if (range.count && range.step)
    return ParameterProblem{"count", "count and step are both given", "keep one of them"};
  return std::nullopt;
}

}  // namespace

std::optional<ParameterProblem> check_parameter(const Parameter& parameter) {
  if (!is_parameter_name(parameter.name))
    return ParameterProblem{"name",
                            fmt::format("\"{}\" cannot be a parameter's name", parameter.name),
                            "use letters, digits, '_', '-' and '.', beginning with a letter"};
  if (parameter.range) return check_range(*parameter.range);
  if (parameter.choices.empty())
    return ParameterProblem{"choices", "the list of choices is empty", "give at least one value"};
  std::set<std::string> seen;
  for (const auto& choice : parameter.choices) {
    if (choice.is_map() || choice.is_list())
      return ParameterProblem{"choices", fmt::format("a choice is a {}", choice.kind()),
                              "use plain values"};
    if (choice.is_double() && !std::isfinite(choice.as_number()))
      return ParameterProblem{"choices", "a choice is not a finite number", "use plain numbers"};
    if (!seen.insert(fmt::format("{}:{}", choice.kind(), choice.to_text())).second)
      return ParameterProblem{"choices",
                              fmt::format("the choice {} stands there twice", choice.to_text()),
                              "list each value once"};
  }
  return std::nullopt;
}

void ExperimentSpec::count_workers() {
  if (roles.empty() || workers.min != 1 || workers.max != 1) return;
  uint64_t count = 0;
  for (const auto& role : roles) count += role.count;
  workers.min = workers.max = static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
}

const Role* ExperimentSpec::role_at(uint32_t worker) const {
  for (const auto& role : roles) {
    if (worker < role.count) return &role;
    worker -= role.count;
  }
  return nullptr;
}

const Resources& ExperimentSpec::resources_at(uint32_t worker) const {
  const auto* role = role_at(worker);
  return role != nullptr && role->resources ? *role->resources : resources;
}

uint32_t ExperimentSpec::processes_at(uint32_t worker) const {
  return workers.processes != 0 ? workers.processes : std::max(1u, resources_at(worker).gpus);
}

Result<Metric> parse_metric(std::string_view text) {
  auto dot = text.find('.');
  auto goal = text.substr(0, dot);
  if (dot == std::string_view::npos || dot + 1 == text.size() || (goal != "max" && goal != "min"))
    return Error{Errc::invalid, fmt::format("\"{}\" is no metric to search by", text),
                 "a goal and a name are needed", "write max.accuracy or min.loss"};
  return Metric{goal == "max", std::string{text.substr(dot + 1)}};
}

std::string to_string(const Metric& metric) {
  return fmt::format("{}.{}", metric.maximize ? "max" : "min", metric.name);
}

std::vector<Metric> objectives(const SweepSpec& sweep) {
  std::vector<Metric> all;
  if (sweep.metric) all.push_back(*sweep.metric);
  all.insert(all.end(), sweep.more_metrics.begin(), sweep.more_metrics.end());
  return all;
}

std::string objectives_text(const SweepSpec& sweep) {
  std::string text;
  for (const auto& metric : objectives(sweep))
    text += (text.empty() ? "" : ", ") + to_string(metric);
  return text;
}

Result<void> read_objectives(std::string_view text, SweepSpec& sweep) {
  constexpr size_t objectives_max = 8;
  std::vector<Metric> all;
  while (true) {
    auto comma = text.find(',');
    auto part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    auto metric = parse_metric(part);
    if (!metric) return std::move(metric).error();
    for (const auto& other : all)
      if (other.name == metric->name)
        return Error{Errc::invalid, fmt::format("the metric {} is named twice", metric->name),
                     "each objective is a metric of its own", "name it once"};
    all.push_back(std::move(*metric));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  if (all.size() > objectives_max)
    return Error{Errc::invalid, fmt::format("{} metrics are too many", all.size()),
                 fmt::format("at most {} objectives", objectives_max), "leave some out"};
  sweep.metric = std::move(all.front());
  sweep.more_metrics.assign(all.begin() + 1, all.end());
  return ok();
}

Result<void> read_concurrency(const Value& value, SweepSpec& sweep) {
  auto wrong = [&](std::string why) {
    return Error{Errc::invalid, fmt::format("concurrency cannot be {}", json_text(value)),
                 std::move(why), "write 8, or \"2..8\": at most 8, of which 2 are sure"};
  };
  auto number = [](std::string_view text) -> std::optional<uint32_t> {
    uint32_t out = 0;
    auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || code != std::errc{} || stop != text.data() + text.size())
      return std::nullopt;
    return out;
  };
  std::optional<uint32_t> sure, most;
  if (value.is_int()) {
    if (value.as_int() < 0 || value.as_int() > UINT32_MAX)
      return wrong(fmt::format("it is from 1 to {}", UINT32_MAX));
    most = static_cast<uint32_t>(value.as_int());
  } else if (!value.is_null()) {
    std::string_view text = value.is_string() ? std::string_view{value.as_string()} : "";
    auto dots = text.find("..");
    if (dots == std::string_view::npos) return wrong("it is neither a number nor a range");
    sure = number(text.substr(0, dots));
    most = number(text.substr(dots + 2));
    if (!sure || !most) return wrong("both ends of a range are whole numbers");
    if (*sure < 1) return wrong("a set whose members are sure of no place may never run");
    if (*sure > *most) return wrong("the lower end comes first");
    if (*sure == *most) sure.reset();
  }
  sweep.concurrency = most;
  sweep.concurrency_sure = sure;
  return ok();
}

Value concurrency_value(const SweepSpec& sweep) {
  if (!sweep.concurrency) return {};
  if (!sweep.concurrency_sure) return Value{*sweep.concurrency};
  return Value{fmt::format("{}..{}", *sweep.concurrency_sure, *sweep.concurrency)};
}

std::string_view to_string(HangAction action) {
  switch (action) {
    case HangAction::report:
      return "report";
    case HangAction::restart:
      return "restart";
    case HangAction::fail:
      return "fail";
  }
  return "?";
}

std::optional<HangAction> parse_hang_action(std::string_view text) {
  for (auto action : {HangAction::report, HangAction::restart, HangAction::fail})
    if (text == to_string(action)) return action;
  return std::nullopt;
}

}  // namespace troupe
