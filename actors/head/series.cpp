#include "actors/head/series.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// People look at curves some times a second at most.
constexpr auto flush_after = std::chrono::milliseconds{100};
// About 50 MB of points; a disk that cannot take more than that in a tenth of a second is not
// waited for.
constexpr size_t waiting_points_max = 1'000'000;

}  // namespace

series_actor::behavior_type SeriesState::make_behavior(HeadContextRef context) {
  context_ = std::move(context);
  points_ = &context_->metrics->counter("troupe_series_points", "metric points stored");
  dropped_ =
      &context_->metrics->counter("troupe_series_dropped", "metric points dropped over a limit");
  return {
      [this](metrics_atom, const ChunksRef& chunks) { add(chunks); },
      [this](flush_atom) { flush(); },
      [this](sync_atom) {
        flush();
        return true;
      },
      [this](status_atom) { return fmt::format("{} points waiting", waiting_points_); },
  };
}

void SeriesState::add(const ChunksRef& chunks) {
  for (auto& chunk : *chunks) {
    if (waiting_points_ + chunk.points.size() > waiting_points_max) {
      dropped_->add(chunk.points.size());
      continue;
    }
    waiting_points_ += chunk.points.size();
    waiting_.push_back(std::move(chunk));
  }
  if (!flush_pending_) {
    flush_pending_ = true;
    self_->delayed_send(self_, flush_after, flush_atom_v);
  }
}

void SeriesState::flush() {
  flush_pending_ = false;
  if (waiting_.empty()) return;
  auto appended = context_->series->append(waiting_);
  if (appended) {
    points_->add(appended->points);
    dropped_->add(appended->dropped);
  } else {
    dropped_->add(waiting_points_);
    log::error("series", "metrics were not stored: {}", to_string(appended.error()));
  }
  waiting_.clear();
  waiting_points_ = 0;
}

series_actor::behavior_type series_behavior(series_actor::stateful_pointer<SeriesState> self,
                                            HeadContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
