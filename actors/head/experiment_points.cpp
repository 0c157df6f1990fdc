// What an experiment's points go through on their way to the series: its record keeps the last of
// each, its set hears what it compares its members by.
#include "actors/head/experiment.hpp"

#include <algorithm>
#include <limits>

namespace troupe::actors {

namespace {

/// The values of one metric in a batch. A set hears of each that goes beyond the ones before, and
/// of the last: so what it finds best does not depend on how points were batched on their way.
struct BatchRange {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();

  bool widen(double value) {
    bool beyond = value < lowest || value > highest;
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
    return beyond;
  }
};

}  // namespace

void ExperimentState::metrics(const MetricBatch& batch) {
  if (batch.key.epoch != life_->epoch()) return;  // a stale attempt: its results are refused
  storage::SeriesChunk chunk;
  chunk.id = life_->record().id;
  chunk.attempt = batch.attempt;
  chunk.source = to_string(batch.key.job) + "/" + batch.source;
  chunk.from = batch.from;
  chunk.to = batch.to;
  std::map<std::string, BatchRange> extremes;
  if (!batch.points.empty()) note_pace(batch.points);
  for (const auto& point : batch.points) {
    life_->metric(point.name, point.value.value);
    chunk.points.push_back(
        {point.name, point.step.value, point.value.value, Timestamp{point.time_us}, point.end});
    if (peers_.set && extremes[point.name].widen(point.value.value)) tell_set();
  }
  if (peers_.set && !batch.points.empty()) tell_set();
  if (peers_.followed) tell_rule(batch);
  points_unsynced_ = true;
  self_->send(peers_.series, metrics_atom_v,
              share(std::vector<storage::SeriesChunk>{std::move(chunk)}));
}

/// The first of them may be the first of the attempt; the highest step is how far it has come.
void ExperimentState::note_pace(const std::vector<WirePoint>& points) {
  auto highest = std::max_element(points.begin(), points.end(), [](const auto& a, const auto& b) {
    return a.step.value < b.step.value;
  });
  for (const auto* point : {&points.front(), &*highest})
    apply(life_->reported(point->step.value, Timestamp{point->time_us}, context_->clock->now()));
}

/// What the set compares; its end comes with the whole record.
void ExperimentState::tell_set() {
  auto now = std::make_shared<ExperimentRecord>();
  now->id = life_->record().id;
  now->state = State::running;
  now->metrics = life_->record().metrics;
  self_->send(peers_.set, metrics_atom_v, RecordRef{std::move(now)});
}

/// Points with the same end come from one line, in which the resource may stand behind the metric.
void ExperimentState::tell_rule(const MetricBatch& batch) {
  MemberReports told;
  told.id = life_->record().id;
  const auto& [metric, resource] = *peers_.followed;
  for (size_t i = 0, next = 0; i < batch.points.size(); i = next) {
    std::optional<double> value;
    for (next = i; next < batch.points.size() && batch.points[next].end == batch.points[i].end;
         ++next) {
      const auto& point = batch.points[next];
      if (point.name == metric) value = point.value.value;
      if (point.name == resource) resource_ = point.value.value;
      if (resource == "step" && point.name == metric) resource_ = point.step.value;
    }
    if (value) told.reports.push_back({resource_, *value});
  }
  if (!told.reports.empty()) self_->send(peers_.set, report_atom_v, share(std::move(told)));
}

}  // namespace troupe::actors
