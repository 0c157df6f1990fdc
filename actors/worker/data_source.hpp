// Where a worker has dataset versions from. Called by the threads of a fill, several at a time;
// blocks.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "storage/dataset/dataset_store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

/// One version, as long as it is being brought.
class VersionSource {
 public:
  virtual ~VersionSource() = default;
  /// Canonical bytes; not verified.
  virtual Result<std::string> manifest() = 0;
  /// Fills `to`, which has room for all of the block: the payload as it came, not verified. corrupt
  /// where it has another size.
  virtual Result<void> block(uint32_t number, const dataset::Block& block, char* to) = 0;
  /// What came last for this block has another digest. Whether it can be had elsewhere.
  virtual bool refused(uint32_t number);

  /// Who gave something so far, and who was given up, with the reason.
  struct Givers {
    std::vector<std::string> gave, left;
  };
  virtual Givers givers() const = 0;
};

class DataSource {
 public:
  virtual ~DataSource() = default;
  virtual std::unique_ptr<VersionSource> version(const dataset::ContentId& id) = 0;
};

/// From the head's store on the same machine.
class LocalData final : public DataSource {
 public:
  explicit LocalData(dataset::DatasetStore store) : store_{std::move(store)} {}
  std::unique_ptr<VersionSource> version(const dataset::ContentId& id) override;

 private:
  dataset::DatasetStore store_;
};

/// From the head over the bulk channel.
class RemoteData final : public DataSource {
 public:
  explicit RemoteData(std::shared_ptr<cluster::BulkPort> head) : head_{std::move(head)} {}
  std::unique_ptr<VersionSource> version(const dataset::ContentId& id) override;

 private:
  std::shared_ptr<cluster::BulkPort> head_;
};

/// Asks and waits; all of the answer, at most so many bytes.
Result<std::string> ask_and_wait(cluster::BulkPort& port, cluster::BulkRequest request, size_t most,
                                 std::chrono::milliseconds limit);
/// Asks and waits for exactly `count` bytes, which go straight to `to`.
Result<void> ask_into(cluster::BulkPort& port, cluster::BulkRequest request, char* to, size_t count,
                      std::chrono::milliseconds limit);

}  // namespace troupe::actors
