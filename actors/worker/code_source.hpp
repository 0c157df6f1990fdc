// Where a worker has the code of its jobs from. Used by the stager alone; blocks.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "runtime/core/code_manifest.hpp"
#include "storage/code_store.hpp"

#include <memory>
#include <string>

namespace troupe::actors {

class CodeSource {
 public:
  virtual ~CodeSource() = default;
  /// A private copy of a snapshot in `target`, which must not exist yet; on an error it does not.
  virtual Result<void> materialise(const std::string& digest, const std::string& target) = 0;
};

/// From the head's store on the same machine: nothing travels.
class LocalCode final : public CodeSource {
 public:
  explicit LocalCode(storage::CodeStore store) : store_{std::move(store)} {}
  Result<void> materialise(const std::string& digest, const std::string& target) override;

 private:
  storage::CodeStore store_;
  std::string digest_;  // the newest, kept: members of a sweep share their code
  CodeManifest manifest_;
};

/// From the head over the bulk channel: one stream, written as it comes, each file checked against
/// its digest.
class RemoteCode final : public CodeSource {
 public:
  explicit RemoteCode(std::shared_ptr<cluster::BulkPort> head) : head_{std::move(head)} {}
  Result<void> materialise(const std::string& digest, const std::string& target) override;

 private:
  std::shared_ptr<cluster::BulkPort> head_;
};

}  // namespace troupe::actors
