// Where a worker has dataset versions from. Called by the threads of a fill, several at a time;
// blocks.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "storage/dataset/dataset_store.hpp"

#include <memory>
#include <string>

namespace troupe::actors {

class DataSource {
 public:
  virtual ~DataSource() = default;
  /// Canonical bytes; not verified.
  virtual Result<std::string> manifest(const dataset::ContentId& version) = 0;
  /// Fills `to`, which has room for `count` bytes: the payload as it came, not verified. corrupt
  /// where it has another size.
  virtual Result<void> block(const dataset::ContentId& id, char* to, size_t count) = 0;
};

/// From the head's store on the same machine.
class LocalData final : public DataSource {
 public:
  explicit LocalData(dataset::DatasetStore store) : store_{std::move(store)} {}
  Result<std::string> manifest(const dataset::ContentId& version) override;
  Result<void> block(const dataset::ContentId& id, char* to, size_t count) override;

 private:
  dataset::DatasetStore store_;
};

/// From the head over the bulk channel.
class RemoteData final : public DataSource {
 public:
  explicit RemoteData(std::shared_ptr<cluster::BulkPort> head) : head_{std::move(head)} {}
  Result<std::string> manifest(const dataset::ContentId& version) override;
  Result<void> block(const dataset::ContentId& id, char* to, size_t count) override;

 private:
  std::shared_ptr<cluster::BulkPort> head_;
};

}  // namespace troupe::actors
