// What the public API can do about what lies on disks: check it, remove what nothing needs, say
// what takes how much. A part of Service; the structs are shared with the actors. KJ thread of the
// gateway.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <kj/async.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::api {

struct Caller;

struct StoreCheckRequest {
  bool repair = false;
  bool nodes = false;  // they hash what they keep, too
};

/// Something that is not as it was stored.
struct StoreProblem {
  std::string kind;  // "block", "manifest", "code file", "code snapshot", "version"
  std::string digest;
  std::string detail;
  std::vector<std::string> versions;  // hurt: "digits:3"; of code the digests of snapshots
  std::vector<std::string> files;     // hurt, at most files_max
  uint64_t unlisted = 0;              // files beyond those
  std::string node;                   // empty: the head
  bool cured = false;
  std::string cure;  // what was done about it

  static constexpr size_t files_max = 20;
};

struct StoreCheck {
  uint64_t blocks = 0, bytes = 0, manifests = 0, code_files = 0, node_versions = 0;
  std::vector<StoreProblem> problems;
  std::vector<std::string> unasked;  // nodes, each with the reason
};

struct CollectRequest {
  bool dry_run = false;
  std::optional<Duration> older_than;  // of what nothing names; none: as the rules say
};

struct CollectedItem {
  std::string kind;  // "blocks", "manifest", "code", "copy", "outputs"
  std::string name;
  std::string node;  // empty: the head
  uint64_t bytes = 0;
  std::string why;
};

struct Collection {
  bool dry_run = false;
  uint64_t freed = 0;
  std::vector<CollectedItem> items;
  std::vector<std::string> notes;  // what was left, and why
};

struct VersionUse {
  std::string name;
  uint32_t version = 0;
  uint64_t bytes = 0;  // of its blocks
  uint64_t own = 0;    // of blocks that no other version has
};

struct NodeUse {
  std::string node;
  uint64_t cache = 0, outputs = 0, checkpoints = 0, logs = 0, disk_free = 0;
  std::string error;  // why it said nothing
};

struct ExperimentUse {
  std::string id, project;
  uint64_t outputs = 0, checkpoints = 0, logs = 0;
  std::vector<std::string> nodes;
};

struct StoreUse {
  std::vector<VersionUse> datasets;
  std::vector<VersionUse> copies;            // of outputs
  uint64_t data = 0, unused = 0, aside = 0;  // of datasets: shared bytes once
  uint64_t code = 0, snapshots = 0, records = 0;
  std::vector<NodeUse> nodes;
  std::vector<ExperimentUse> experiments;  // the largest first, at most experiments_max
  uint64_t unlisted = 0;

  static constexpr size_t experiments_max = 1000;
};

class StorageService {
 public:
  virtual ~StorageService() = default;

  /// refused for who is no admin, as collect_store and where something is repaired.
  virtual kj::Promise<Result<StoreCheck>> check_store(const Caller& caller,
                                                      StoreCheckRequest request);
  virtual kj::Promise<Result<Collection>> collect_store(const Caller& caller,
                                                        CollectRequest request);
  /// `nodes` false: of the head alone.
  virtual kj::Promise<Result<StoreUse>> store_use(const Caller& caller, bool nodes);
};

}  // namespace troupe::api
