// Whether the kernel would start a process with these words and variables: over its limits execve
// fails on the node, long after anybody could have been told. Pure.
#pragma once

#include "runtime/core/submission_check.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe {

/// With placeholders filled.
Result<void> check_exec_size(const std::vector<std::string>& argv,
                             const std::map<std::string, std::string>& env);

/// A submission with the longest values its parameters can take. Its names and placeholders must
/// have been checked.
std::optional<SubmissionProblem> check_exec_sizes(const Submission& submission);

}  // namespace troupe
