#include "runtime/core/record.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

namespace troupe {

std::string late_text(const Straggler& straggler) {
  if (straggler.late_us == 0) return "";
  if (straggler.late_us < 10'000)
    return fmt::format("{:.1f}ms", static_cast<double>(straggler.late_us) / 1000);
  return duration_text(Duration{straggler.late_us / 1000});
}

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
