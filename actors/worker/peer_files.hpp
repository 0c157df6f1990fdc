// What a worker gives to other workers: manifests and blocks of versions that are whole here. On
// file threads.
#pragma once

#include "actors/worker/paths.hpp"
#include "runtime/cluster/bulk.hpp"
#include "runtime/core/clock.hpp"
#include "storage/dataset/sealed_file.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::actors {

/// The versions that are being given, open; any thread. Whoever removes a version drops it here, so
/// that its disk space comes free.
class GivenVersions {
 public:
  explicit GivenVersions(WorkerPaths paths) : paths_{std::move(paths)} {}
  Result<std::shared_ptr<const dataset::SealedFile>> open(const std::string& digest);
  void drop(const std::string& digest);
  static constexpr size_t open_max = 8;

 private:
  WorkerPaths paths_;
  std::mutex mutex_;
  uint64_t uses_ = 0;
  struct Given {
    std::shared_ptr<const dataset::SealedFile> file;
    uint64_t used = 0;
  };
  std::map<std::string, Given> files_;
};

/// Which certificates the head still takes, asked of it and remembered for a while: a worker that
/// was removed from the cluster gets nothing from its former neighbours.
class Members {
 public:
  Members(std::shared_ptr<cluster::BulkPort> head, std::shared_ptr<Clock> clock)
      : head_{std::move(head)}, clock_{std::move(clock)} {}
  /// refused where it is none; unavailable where the head cannot be asked and has not been for
  /// long. Blocks.
  Result<void> check(const std::string& common_name);

 private:
  std::shared_ptr<cluster::BulkPort> head_;
  std::shared_ptr<Clock> clock_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::nanoseconds> good_;  // when that was said
};

/// `peer` is the common name of its certificate.
cluster::BulkOpen peer_files(std::shared_ptr<GivenVersions> given,
                             std::shared_ptr<Members> members);

}  // namespace troupe::actors
