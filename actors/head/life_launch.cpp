// What an experiment's life does where its ranks do not find each other.
#include "actors/head/life.hpp"

namespace troupe::actors {

/// Nothing is ended for it: a look from outside can be wrong, and who wants worlds of one has them.
void ExperimentLife::note_world(const JobUpdate& update, Timestamp now, Effects& effects) {
  if (outcome_ != Outcome::none || update.key.job.index != 0 || update.warning.what == world_note_)
    return;
  world_note_ = update.warning.what;
  auto event =
      note_of("launch", world_note_.empty() ? "its ranks have found each other" : world_note_, now);
  if (!world_note_.empty()) event.error = update.warning;
  if (record_.state == State::running) {
    record_.error = event.error;
    record_.reason = event.cause;
  }
  effects.events.push_back(std::move(event));
}

}  // namespace troupe::actors
