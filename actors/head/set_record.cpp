#include "actors/head/set_record.hpp"

#include <fmt/format.h>

namespace troupe::actors {

Result<hpo::Study> study_of(const SetRecord& record) {
  hpo::StudyState known;
  known.size = record.size;
  known.best_member = record.best_member;
  known.best_value = record.best_value;
  known.stop_reason = record.stop_reason;
  known.failures_passed = record.failures_passed;
  return hpo::Study::restore(record.sweep, std::move(known));
}

bool copy_study(const hpo::Study& study, std::vector<uint32_t> front, SetRecord& record) {
  const auto& state = study.state();
  record.finished = state.finished;
  record.failed = state.failed;
  record.killed = state.killed;
  record.stop_reason = state.stop_reason;
  record.failures_passed = state.failures_passed;
  record.front = std::move(front);
  record.best_value = state.best_value;
  bool another = state.best_member && record.best_member != state.best_member;
  record.best_member = state.best_member;
  return another;
}

Event change_state(SetRecord& record, State to, const std::string& cause, Timestamp now,
                   const Error* error) {
  auto event =
      state_event(record.id, record.spec->project, to_string(record.state), to, cause, now, error);
  record.state = to;
  record.reason = cause;
  if (error != nullptr) record.error = *error;
  if (is_terminal(to)) record.ended = now;
  return event;
}

Error set_failed(const SetRecord& record, const std::string& cause) {
  return {Errc::failed, fmt::format("set {} failed", to_string(record.id)), cause,
          fmt::format("troupe show {}", to_string(record.id))};
}

}  // namespace troupe::actors
