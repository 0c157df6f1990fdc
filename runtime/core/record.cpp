#include "runtime/core/record.hpp"

namespace troupe {

Event state_event(ExperimentId id, const std::string& project, std::string_view from, State to,
                  std::string cause, Timestamp now, const Error* error) {
  Event event;
  event.time = now;
  event.kind = "state";
  event.subject = to_string(id);
  event.project = project;
  event.from = from;
  event.to = to_string(to);
  event.cause = std::move(cause);
  if (error != nullptr) event.error = *error;
  return event;
}

}  // namespace troupe
