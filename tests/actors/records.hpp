// What the tests of actors share: records and updates as the head and its nodes would make them.
#pragma once

#include "actors/head/life.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

inline constexpr Timestamp t0{1'700'000'000'000'000};

inline ExperimentSpec spec_of(const std::string& command = "train") {
  ExperimentSpec spec;
  spec.project = "demo";
  spec.run.push_back({command, {}});
  return spec;
}

inline ExperimentRecord record_of(ExperimentSpec spec, ExperimentId id = {42, 0}) {
  ExperimentRecord record;
  record.id = id;
  record.user = "ada";
  record.spec = std::make_shared<const ExperimentSpec>(std::move(spec));
  record.created = record.queued = t0;
  record.reason = "submitted";
  return record;
}

inline ExperimentLife::Place place_on(std::string node, std::vector<uint32_t> gpus = {}) {
  return {std::move(node), std::move(gpus)};
}

/// x from 0 to 1, y of a, b, c.
inline std::vector<Parameter> x_and_y() {
  Parameter x, y;
  x.name = "x";
  x.range = ParameterRange{Value{0.0}, Value{1.0}, {}, {}, false};
  y.name = "y";
  y.choices = {Value{"a"}, Value{"b"}, Value{"c"}};
  return {x, y};
}

/// One place for each name.
inline std::vector<ExperimentLife::Place> places_on(const std::vector<std::string>& nodes) {
  std::vector<ExperimentLife::Place> places;
  for (const auto& node : nodes) places.push_back({node, {}});
  return places;
}

inline JobUpdate update_of(const ExperimentRecord& record, JobStep step, uint32_t index = 0) {
  JobUpdate update;
  update.key = JobKey{JobId{record.id, "worker", index},
                      record.attempts.empty() ? 0 : record.attempts.back().epoch};
  update.attempt = record.attempts.empty() ? 1 : record.attempts.back().number;
  update.step = step;
  update.time_us = t0.us + 5;
  return update;
}

inline JobUpdate exit_of(const ExperimentRecord& record, int32_t code, uint32_t index = 0,
                         int32_t signal = 0) {
  auto update = update_of(record, JobStep::ended, index);
  update.has_exit = true;
  update.exit_code = code;
  update.signal = signal;
  return update;
}

inline JobUpdate infrastructure_end_of(const ExperimentRecord& record, uint32_t index = 0) {
  auto update = update_of(record, JobStep::ended, index);
  update.infrastructure = true;
  update.error = Error{Errc::unavailable, "the launcher is gone", "", ""};
  return update;
}

}  // namespace troupe::actors
