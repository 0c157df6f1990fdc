#include "actors/head/checkpoint_books.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

CheckpointRule checkpoint_rule(const ExperimentSpec& spec) {
  return spec.checkpoints.value_or(CheckpointRule{});
}

Result<std::vector<DatasetVersion>> kept_checkpoints(const storage::Ledger& ledger,
                                                     ExperimentId id) {
  auto versions = ledger.dataset_versions(checkpoints_name(id));
  if (!versions) return versions;
  std::erase_if(*versions, [](const DatasetVersion& version) { return !version.checkpoint; });
  std::sort(versions->begin(), versions->end(),
            [](const auto& a, const auto& b) { return is_newer(*b.checkpoint, *a.checkpoint); });
  return versions;
}

Result<std::optional<DatasetVersion>> newest_kept_checkpoint(const storage::Ledger& ledger,
                                                             ExperimentId id) {
  using Newest = std::optional<DatasetVersion>;
  auto kept = kept_checkpoints(ledger, id);
  if (!kept) return std::move(kept).error();
  return kept->empty() ? Newest{} : Newest{std::move(kept->back())};
}

std::vector<CheckpointRecord> merge_checkpoints(const std::vector<CheckpointRecord>& told,
                                                const std::vector<DatasetVersion>& kept) {
  auto all = told;
  for (const auto& version : kept) {
    auto known = std::find_if(all.begin(), all.end(), [&](const CheckpointRecord& one) {
      return is_same(one.mark, *version.checkpoint);
    });
    if (known == all.end()) known = all.insert(all.end(), {*version.checkpoint, 0, {}, 0});
    known->version = version.version;
    known->digest = version.digest;
    known->bytes = version.bytes;
  }
  std::sort(all.begin(), all.end(), [](const CheckpointRecord& a, const CheckpointRecord& b) {
    return is_newer(b.mark, a.mark);
  });
  return all;
}

std::vector<CheckpointRecord> all_checkpoints(const storage::Ledger& ledger,
                                              const ExperimentRecord& record) {
  auto kept = kept_checkpoints(ledger, record.id);
  return merge_checkpoints(record.checkpoints,
                           kept ? std::move(*kept) : std::vector<DatasetVersion>{});
}

std::vector<ResumeChoice> resume_choices(ExperimentId id,
                                         const std::vector<CheckpointRecord>& checkpoints,
                                         bool kept) {
  std::vector<ResumeChoice> choices;
  for (auto one = checkpoints.rbegin();
       one != checkpoints.rend() && choices.size() < resume_choices_max; ++one) {
    ResumeChoice choice;
    choice.checkpoint = {one->mark.name, one->mark.made.us};
    if (kept && !one->mark.parts.empty()) choice.checkpoint.made_us = -1;  // of no node's own
    if (one->version != 0) {
      choice.source = fmt::format("{}:{}", checkpoints_name(id), one->version);
      choice.digest = one->digest;
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::vector<DatasetVersion> checkpoints_to_drop(const std::vector<DatasetVersion>& kept,
                                                const CheckpointRule& rule,
                                                const std::vector<uint32_t>& spared) {
  std::vector<CheckpointMark> marks;
  for (const auto& version : kept) marks.push_back(*version.checkpoint);
  auto stay = checkpoints_to_keep(marks, rule.keep_last, rule.keep_best,
                                  !rule.metric || rule.metric->maximize);
  std::vector<DatasetVersion> drop;
  for (size_t i = 0; i < kept.size(); ++i)
    if (!std::binary_search(stay.begin(), stay.end(), i) &&
        std::find(spared.begin(), spared.end(), kept[i].version) == spared.end())
      drop.push_back(kept[i]);
  return drop;
}

}  // namespace troupe::actors
