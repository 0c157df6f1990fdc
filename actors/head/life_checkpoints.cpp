// What the life of an experiment knows of its checkpoints: those that its newest attempt has told
// of, from which one it went on, and which of them its node is to remove.
#include "actors/head/checkpoint_books.hpp"
#include "actors/head/life.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::actors {

namespace {

std::optional<double> value_of(const ExperimentRecord& record) {
  const auto& rule = record.spec->checkpoints;
  if (!rule || !rule->metric) return std::nullopt;
  auto metric = record.metrics.find(rule->metric->name);
  if (metric == record.metrics.end() || std::isnan(metric->second)) return std::nullopt;
  return metric->second;
}

}  // namespace

/// The first job speaks for all: two nodes cannot both say which is the newest. What others have
/// counts as parts of it, or not at all.
void ExperimentLife::note_checkpoints(const JobUpdate& update, Timestamp now, Effects& effects) {
  if (update.key.job.index == 0) note_resume(update, now, effects);
  if (update.checkpoints.empty()) return;
  if (seen_epoch_ != epoch()) seen_.clear();
  seen_epoch_ = epoch();
  seen_[update.key.job.index] = update.checkpoints;
  bool in_shards = record_.spec->checkpoints && record_.spec->checkpoints->shards;
  if (!in_shards && update.key.job.index != 0) return tell_strays(update, now, effects);
  auto first = seen_.find(0);
  if (first == seen_.end()) return;
  auto& known = record_.checkpoints;
  std::vector<CheckpointMark> told;
  for (const auto& seen : first->second) {
    CheckpointMark mark{
        seen.name,    epoch(), attempt().number, Timestamp{seen.made_us}, job(0)->node,
        std::nullopt, {}};
    if (!in_shards || find_parts(mark)) told.push_back(std::move(mark));
  }
  // What the job itself has removed, or replaced.
  auto left = std::erase_if(known, [&](const CheckpointRecord& one) {
    return one.mark.epoch == epoch() &&
           std::none_of(told.begin(), told.end(),
                        [&](const CheckpointMark& mark) { return is_same(mark, one.mark); });
  });
  size_t came = 0;
  for (auto& mark : told) {
    if (std::any_of(known.begin(), known.end(),
                    [&](const CheckpointRecord& one) { return is_same(one.mark, mark); }))
      continue;
    mark.value = value_of(record_);
    known.push_back({std::move(mark), 0, {}, 0});
    ++came;
  }
  effects.checkpoints_told = true;
  effects.checkpoint_came = came > 0;
  if (left + came == 0) return;
  effects.changed = true;
  std::sort(known.begin(), known.end(), [](const CheckpointRecord& a, const CheckpointRecord& b) {
    return is_newer(b.mark, a.mark);
  });
  expire_checkpoints(effects);
  if (known.size() > limits::checkpoints_max)
    known.erase(known.begin(), known.end() - static_cast<std::ptrdiff_t>(limits::checkpoints_max));
}

/// Whether all nodes of the attempt have put theirs in place; they are the mark's parts then.
bool ExperimentLife::find_parts(CheckpointMark& mark) const {
  for (const auto& job : record_.attempts.back().jobs) {
    if (is_from(mark, job.node)) continue;
    auto seen = seen_.find(job.index);
    if (seen == seen_.end()) return false;
    auto part = std::find_if(seen->second.begin(), seen->second.end(),
                             [&](const CheckpointSeen& one) { return one.name == mark.name; });
    if (part == seen->second.end()) return false;
    mark.parts.push_back({job.node, Timestamp{part->made_us}});
  }
  return true;
}

/// Another node than the first one's has checkpoints of its own, in a folder that they do not
/// share: shards most likely, and nobody would find out before they lack.
void ExperimentLife::tell_strays(const JobUpdate& update, Timestamp now, Effects& effects) {
  const auto& node = job(update.key.job.index)->node;
  auto first = seen_.find(0);
  if (node == job(0)->node || strays_told_ == epoch() || first == seen_.end()) return;
  for (const auto& one : update.checkpoints) {
    auto same_name = [&](const CheckpointSeen& other) { return other.name == one.name; };
    auto other = std::find_if(first->second.begin(), first->second.end(), same_name);
    if (other == first->second.end() || other->made_us == one.made_us) continue;
    strays_told_ = epoch();
    effects.events.push_back(note_of(
        "checkpoint",
        fmt::format("{} has a {} of its own, which is not kept: of a gang that of rank 0's node "
                    "counts; checkpoints: {{shards: true}} takes both",
                    node, one.name),
        now));
    return;
  }
}

/// Only where somebody wrote down what is to be kept: they are the user's own files.
void ExperimentLife::expire_checkpoints(Effects& effects) {
  const auto& rule = record_.spec->checkpoints;
  if (!rule || rule->keep_last == 0) return;
  std::vector<CheckpointMark> marks;
  for (const auto& one : record_.checkpoints) marks.push_back(one.mark);
  auto keep = checkpoints_to_keep(marks, rule->keep_last, rule->keep_best,
                                  !rule->metric || rule->metric->maximize);
  const auto& node = job(0)->node;
  size_t index = 0;
  std::erase_if(record_.checkpoints, [&](const CheckpointRecord& one) {
    if (std::binary_search(keep.begin(), keep.end(), index++) || one.mark.node != node ||
        one.mark.name == attempt().resumed)
      return false;
    effects.drop_checkpoints[node].push_back({one.mark.name, one.mark.made.us});
    for (const auto& part : one.mark.parts)
      effects.drop_checkpoints[part.node].push_back({one.mark.name, part.made.us});
    return true;
  });
}

void ExperimentLife::note_resume(const JobUpdate& update, Timestamp now, Effects& effects) {
  auto why = update.resume_note.empty() ? std::string{} : ": " + update.resume_note;
  if (!update.resumed.empty() && attempt().resumed.empty()) {
    attempt().resumed = update.resumed;
    effects.events.push_back(note_of(
        "checkpoint",
        fmt::format("attempt {} goes on from {}{}", attempt().number, update.resumed, why), now));
  } else if (update.resumed.empty() && !why.empty() && resume_told_ != epoch()) {
    resume_told_ = epoch();
    effects.events.push_back(
        note_of("checkpoint", fmt::format("attempt {} begins anew{}", attempt().number, why), now));
  }
}

Effects ExperimentLife::resume_noted(const std::string& note, Timestamp now) {
  Effects effects;
  effects.events.push_back(note_of("checkpoint", note, now));
  return effects;
}

}  // namespace troupe::actors
