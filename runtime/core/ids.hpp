// The ids people type: 42 (an experiment or a set), 42.7 (member 7 of set 42), 42.7.worker.0 (a
// job).
#pragma once

#include "runtime/core/result.hpp"

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// An experiment, a set, or a member of a set. Members count from 1; member 0 is the thing itself.
struct ExperimentId {
  uint64_t top = 0;
  uint32_t member = 0;

  bool is_member() const { return member != 0; }
  ExperimentId parent() const { return {top, 0}; }
  auto operator<=>(const ExperimentId&) const = default;
};

/// One process group of an experiment on one node.
struct JobId {
  ExperimentId experiment;
  std::string role = "worker";
  uint32_t index = 0;

  auto operator<=>(const JobId&) const = default;
};

std::string to_string(ExperimentId id);
std::string to_string(const JobId& id);
Result<ExperimentId> parse_experiment_id(std::string_view text);
Result<JobId> parse_job_id(std::string_view text);

/// What a command was given: one id, members "42.1-5" or "42.1,3,5-8", tops "3-7", or a job.
struct Selector {
  std::vector<ExperimentId> experiments;  // in the order written
  std::string role;                       // of a job selector only
  int64_t job_index = -1;
};
/// `last` is not known here: the client replaces it first. At most 100,000 ids.
Result<Selector> parse_selector(std::string_view text);

}  // namespace troupe

template <>
struct std::hash<troupe::ExperimentId> {
  size_t operator()(const troupe::ExperimentId& id) const noexcept {
    return std::hash<uint64_t>{}(id.top * 0x9e3779b97f4a7c15u ^ id.member);
  }
};
