// Everything about a submission that can be judged without the cluster. The head checks with it
// what comes over the API, the project file parser what stands in a file (and adds line and column
// from the path). Pure.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/spec.hpp"

#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct SubmissionProblem {
  /// Which key is at fault, in the form of the project file: "parameters.lr.range.min", "run[1]",
  /// "sweep.trials", "env.PATH"; empty: the whole.
  std::string path;
  std::string message;
  std::string hint;
};

/// The first problem found, if any. What is left to others: the grammar of stop_when, whether data
/// and predecessors exist, whether it fits any node.
std::optional<SubmissionProblem> check_submission(const Submission& submission);

/// The part of it that concerns the names of parameters: that each stands for one variable, and
/// that the placeholders in commands and env name parameters, each of which is used.
std::optional<SubmissionProblem> check_parameter_names(const Submission& submission);

/// The part of it that concerns the sweep section and the parameters' values; names and
/// placeholders are not looked at. Each parameter must have passed check_parameter.
std::optional<SubmissionProblem> check_sweep(const Submission& submission);

/// What makes no sense where the members are run elsewhere.
std::optional<SubmissionProblem> check_run_elsewhere(const SweepSpec& sweep);

/// All strategies by their names.
const std::vector<std::string>& sweep_strategies();

/// As an Error: "parameters.lr.range.min: min 2 is above max 1".
Error to_error(const SubmissionProblem& problem);

/// Letters, digits, '_', '-' and '.', beginning with a letter or digit, at most 100 bytes: what
/// projects and experiments are called.
bool is_object_name(std::string_view name);

}  // namespace troupe
