// What the head's keeper asks of a worker: how much of what lies on its disk, to remove outputs
// that go by the rules, to hash a dataset version, and to give what the head has lost. On file
// threads; blocks.
#pragma once

#include "actors/bulk_words.hpp"
#include "actors/worker/paths.hpp"
#include "storage/dataset/sealed_file.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

/// Of each experiment that has files here. Finishes removals that broke off.
std::vector<KeptUse> kept_use(const WorkerPaths& paths);
/// Equal for workers that have one and the same folder of outputs.
uint64_t outputs_place(const WorkerPaths& paths);
/// Removes the outputs of an experiment that has ended, checkpoints included; the bytes that were
/// freed. A worker that is killed in the middle has the rest out of sight, and removes it when it
/// is next asked what it keeps.
Result<uint64_t> drop_outputs(const WorkerPaths& paths, ExperimentId id);

struct VersionVerified {
  uint64_t bytes = 0;   // that were hashed
  std::string damaged;  // what is wrong, in words; empty: nothing
};
/// Reads and hashes a version. One that is damaged is given to no job any more: whoever wants it
/// next finds that it has to be fetched again. not_found.
Result<VersionVerified> verify_version(const WorkerPaths& paths, const std::string& digest);

}  // namespace troupe::actors
