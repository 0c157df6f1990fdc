// Checkpoints as the ledger knows them: those that nodes have told of, with the experiment, and
// those that the head keeps, as versions of "42/checkpoints". Reads; any thread.
#pragma once

#include "actors/messages.hpp"
#include "storage/ledger.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::actors {

/// What applies where its spec says nothing.
CheckpointRule checkpoint_rule(const ExperimentSpec& spec);

/// What the head keeps of an experiment's, the newest last.
Result<std::vector<DatasetVersion>> kept_checkpoints(const storage::Ledger& ledger,
                                                     ExperimentId id);
/// The newest of these; none where there is none.
Result<std::optional<DatasetVersion>> newest_kept_checkpoint(const storage::Ledger& ledger,
                                                             ExperimentId id);
/// Those its record names and those that are kept, each once, the newest last.
std::vector<CheckpointRecord> merge_checkpoints(const std::vector<CheckpointRecord>& told,
                                                const std::vector<DatasetVersion>& kept);
/// The same, read from the ledger; what cannot be read is left out.
std::vector<CheckpointRecord> all_checkpoints(const storage::Ledger& ledger,
                                              const ExperimentRecord& record);

/// What an attempt that begins may go on from, the newest first. `kept`: the head keeps
/// checkpoints, and what a node has of one in shards is not the whole; else nodes share one folder.
std::vector<ResumeChoice> resume_choices(ExperimentId id,
                                         const std::vector<CheckpointRecord>& checkpoints,
                                         bool kept);
constexpr size_t resume_choices_max = 8;

/// Which of the versions kept the rule gives up; `spared` are not.
std::vector<DatasetVersion> checkpoints_to_drop(const std::vector<DatasetVersion>& kept,
                                                const CheckpointRule& rule,
                                                const std::vector<uint32_t>& spared);

}  // namespace troupe::actors
