// What a submission calls its parameters, against where it names them in its commands.
#include "runtime/core/placeholder.hpp"
#include "runtime/core/submission_check.hpp"
#include "runtime/core/variable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace troupe {

namespace {

using Problem = std::optional<SubmissionProblem>;

/// Puts the names of all parameters into `names`.
Problem check_names(const Submission& submission, std::vector<std::string>& names) {
  std::map<std::string, std::string> variables;
  auto add = [&](const std::string& name, const std::string& path) -> Problem {
    auto [it, fresh] = variables.emplace(variable_part(name), name);
    if (!fresh && it->second == name)
      return SubmissionProblem{path, fmt::format("the parameter {} is given twice", name),
                               "keep one of them"};
    if (!fresh)
      return SubmissionProblem{
          path, fmt::format("{} and {} would both be TROUPE_P_{}", it->second, name, it->first),
          "rename one of them"};
    names.push_back(name);
    return std::nullopt;
  };
  for (const auto& parameter : submission.experiment.parameters) {
    auto path = "parameters." + parameter.name;
    if (auto problem = check_parameter(parameter)) {
      bool in_range = parameter.range && problem->field != "name";
      if (in_range) path += ".range." + problem->field;
      return SubmissionProblem{path, problem->message, problem->hint};
    }
    if (auto problem = add(parameter.name, path)) return problem;
  }
  if (!submission.sweep || submission.sweep->points.empty()) return std::nullopt;
  for (const auto& [name, value] : submission.sweep->points.front()) {
    if (!is_parameter_name(name))
      return SubmissionProblem{"parameters[0]",
                               fmt::format("\"{}\" cannot be a parameter's name", name),
                               "use letters, digits, '_', '-' and '.', beginning with a letter"};
    if (auto problem = add(name, "parameters[0]." + name)) return problem;
  }
  return std::nullopt;
}

Problem check_placeholders(const ExperimentSpec& spec, const std::vector<std::string>& names) {
  std::set<std::string> known(names.begin(), names.end());
  std::set<std::string> used;
  auto use = [&](const Result<std::vector<std::string>>& found, std::string path) -> Problem {
    if (!found) {
      const auto& error = found.error();
      auto message = error.detail.empty() ? error.what : error.what + ": " + error.detail;
      return SubmissionProblem{std::move(path), message, error.hint};
    }
    for (const auto& name : *found) {
      if (!known.contains(name)) {
        auto error = unknown_placeholder(name, names);
        return SubmissionProblem{std::move(path),
                                 fmt::format("{{{{{}}}}}: no parameter is called {}", name, name),
                                 error.hint};
      }
      used.insert(name);
    }
    return std::nullopt;
  };
  for (size_t i = 0; i < spec.run.size(); ++i)
    if (auto problem = use(placeholder_names(spec.run[i]), fmt::format("run[{}]", i)))
      return problem;
  for (const auto& role : spec.roles)
    for (const auto& command : role.run)
      if (auto problem = use(placeholder_names(command), "roles." + role.name + ".run"))
        return problem;
  for (size_t i = 0; i < spec.setup.size(); ++i)
    if (auto problem = use(placeholder_names(spec.setup[i]), fmt::format("setup[{}]", i)))
      return problem;
  for (const auto& [name, value] : spec.env)
    if (auto problem = use(placeholder_names(Command{"", {value}}), "env." + name)) return problem;
  // One that others depend on is of use, too.
  auto decides = [&](const std::string& name) {
    return std::any_of(spec.parameters.begin(), spec.parameters.end(), [&](const Parameter& one) {
      return one.when.find(name) != std::string::npos;
    });
  };
  for (const auto& name : names)
    if (!used.contains(name) && !decides(name))
      return SubmissionProblem{
          "parameters." + name, fmt::format("the parameter {} is used nowhere", name),
          fmt::format("write {{{{{}}}}} where run, setup or env need it, or remove it", name)};
  return std::nullopt;
}

}  // namespace

std::optional<SubmissionProblem> check_parameter_names(const Submission& submission) {
  std::vector<std::string> names;
  if (auto problem = check_names(submission, names)) return problem;
  // Members that are run elsewhere have no commands here.
  if (submission.sweep && submission.sweep->ask) return std::nullopt;
  return check_placeholders(submission.experiment, names);
}

}  // namespace troupe
