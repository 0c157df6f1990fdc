// Files of an experiment that the head can give without its node: those of its outputs, where they
// have become a version, and those of the checkpoints that are kept. Reads; any thread.
#pragma once

#include "client/api/service.hpp"
#include "storage/dataset/dataset_store.hpp"
#include "storage/ledger.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::actors {

class StoredOutputs {
 public:
  /// Of the newest checkpoint where several have one name. not_found where the head has nothing.
  static Result<StoredOutputs> open(const storage::Ledger& ledger,
                                    const dataset::DatasetStore& store, ExperimentId id);

  /// By path, those behind `after`.
  api::OutputList list(const std::string& after, uint32_t limit) const;
  Result<api::FileChunk> read(const std::string& path, uint64_t offset, uint32_t limit) const;
  /// Of the outputs; otherwise of checkpoints alone.
  bool has_all() const { return has_all_; }

 private:
  struct File {
    size_t version = 0;  // in versions_
    std::string path;    // there
    uint64_t size = 0;
  };
  struct Version {
    dataset::Manifest manifest;
    Timestamp made;
  };

  explicit StoredOutputs(const dataset::DatasetStore& store) : store_{&store} {}
  Result<void> add(const DatasetVersion& version, const std::string& folder, Timestamp made);

  const dataset::DatasetStore* store_;
  std::vector<Version> versions_;
  std::map<std::string, File> files_;  // by the path that people see
  bool has_all_ = false;
};

}  // namespace troupe::actors
