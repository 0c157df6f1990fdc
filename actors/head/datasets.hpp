// The dataset actor: takes blocks and versions from clients, gives versions their numbers, and
// forgets what nobody needs. Its own thread: it hashes and writes.
#pragma once

#include "actors/head/checkpoints.hpp"
#include "actors/head/head_context.hpp"
#include "actors/head/output_versions.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace troupe::actors {

class DatasetState {
 public:
  static inline const char* name = "troupe.datasets";
  explicit DatasetState(dataset_actor::pointer self) : self_{self} {}
  dataset_actor::behavior_type make_behavior(HeadContextRef context, ledger_actor ledger);

 private:
  using VersionPromise = caf::typed_response_promise<DatasetVersionRef>;
  using DonePromise = caf::typed_response_promise<bool>;

  caf::result<bool> store(const BlobRef& block);
  VersionPromise push(const DatasetPushRef& push);
  DonePromise tag(const std::string& dataset, const std::string& tag, uint32_t version);
  DonePromise drop(const std::string& user, const std::string& dataset, uint32_t version);
  DonePromise forget(ExperimentId id, const std::string& cause);
  VersionPromise outputs(ExperimentId id);
  caf::typed_response_promise<ResumeRef> resume(const RecordRef& record);
  void commit(std::vector<storage::Mutation> mutations, std::function<void()> done,
              std::function<void(caf::error&)> failed);
  Result<std::string> user_of(const DatasetVersion& version) const;

  dataset_actor::pointer self_;
  HeadContextRef context_;
  ledger_actor ledger_;
  std::unique_ptr<OutputVersions> outputs_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::map<std::string, uint32_t> given_;  // highest number given, by name; some not durable yet
};

dataset_actor::behavior_type dataset_behavior(dataset_actor::stateful_pointer<DatasetState> self,
                                              HeadContextRef context, ledger_actor ledger);

/// Fills in which versions its mounts stand for, and their names: sources become "digits:3". Those
/// of outputs stay as they are until it starts. not_found for what does not exist, with a
/// suggestion; conflict for outputs of what may still run when it starts.
Result<void> resolve_datasets(const storage::Ledger& ledger, ExperimentSpec& spec);
/// Of the blocks of "digits:3"; 0 where there is no such version any more.
uint64_t dataset_bytes(const storage::Ledger& ledger, const std::string& source);
/// What `which` of `name` stands for. not_found, naming what there is.
Result<DatasetVersion> find_dataset(const storage::Ledger& ledger, const std::string& name,
                                    const std::string& which);

}  // namespace troupe::actors
