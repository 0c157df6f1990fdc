// What the ledger says of things that lie on disks: which versions and code have a name, which
// outputs somebody needs, which were removed. Reads alone; any thread.
#pragma once

#include "actors/head/retention.hpp"
#include "storage/dataset/dataset_store.hpp"
#include "storage/ledger.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace troupe::actors {

/// All versions of all names, those of outputs too.
Result<std::vector<DatasetVersion>> named_versions(const storage::Ledger& ledger);
Result<dataset::DatasetStore::Named> named_contents(const storage::Ledger& ledger);
/// "digits:3"; of outputs "41/out".
std::string version_title(const DatasetVersion& version);
/// Whose outputs a version is; nothing where it is a dataset.
std::optional<ExperimentId> outputs_of(const DatasetVersion& version);

/// What all experiments and sets that there ever were say of each other.
struct ExperimentBooks {
  std::map<ExperimentId, OutputFacts> experiments;  // with `held` filled in
  std::map<ExperimentId, Timestamp> read;           // outputs that were mounted: when last
  std::map<ExperimentId, std::string> readers;      // who has not ended, by whose outputs it reads
  std::unordered_set<std::string> code;             // digests of snapshots
};
Result<ExperimentBooks> experiment_books(const storage::Ledger& ledger);

/// Outputs that were removed have a note in the ledger.
storage::PutMeta outputs_removed(ExperimentId id, Timestamp now, const std::string& why);
/// not_found, saying when and why, where they were removed.
Result<void> check_outputs_kept(const storage::Ledger& ledger, ExperimentId id);

}  // namespace troupe::actors
