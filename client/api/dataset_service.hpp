// What the public API can do with datasets; a part of Service. KJ thread of the gateway.
#pragma once

#include "runtime/core/dataset.hpp"
#include "runtime/core/result.hpp"

#include <kj/async.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::api {

struct Caller;
struct FileChunk;

/// A version whose blocks have been stored.
struct DatasetPush {
  std::string name;
  std::string manifest;  // canonical bytes; empty: made of the outputs of `from`
  std::string source;    // in the words of the pusher
  std::string from;      // the experiment whose outputs it is made of; empty: none
  std::string tag;       // that shall stand for it; empty: none
};

/// A version on a node, or on its way there.
struct CachedVersion {
  std::string node;
  std::string dataset;  // "digits:3"; empty: no version has this content any more
  std::string digest;
  std::string state;   // "coming", "here" or "failed"
  uint64_t bytes = 0;  // on the node's disk
  uint64_t total = 0;  // of all blocks, while it comes
  uint64_t arrived = 0;
  Timestamp since;  // when it was here
  Timestamp used;   // when a job last held it
  uint64_t hits = 0;
  std::string mount;  // how its files are shown
  std::vector<std::string> holders;
  bool wanted = false;  // by what is queued
  std::vector<std::string> sources;
  std::vector<std::string> left;  // sources that were given up
  std::string error;              // why it could not be brought
};

/// All that a node keeps.
struct NodeCache {
  uint64_t limit = 0;  // bytes; 0: the disk's
  uint64_t used = 0;
  uint64_t disk_free = 0;
  std::vector<CachedVersion> versions;
  uint64_t unlisted = 0;  // versions beyond those
};

struct DatasetListing {
  std::vector<DatasetVersion> versions;  // the newest of each, by name
  std::string next_page_token;           // empty: the end
};

/// Everything about one name.
struct DatasetView {
  std::vector<DatasetVersion> versions;  // newest first
  std::map<std::string, uint32_t> tags;
};

class DatasetService {
 public:
  virtual ~DatasetService() = default;

  /// Those of these blocks that are not stored yet.
  virtual Result<std::vector<std::string>> missing_blocks(const Caller& caller,
                                                          const std::vector<std::string>& digests);
  virtual kj::Promise<Result<void>> put_block(const Caller& caller, std::string digest,
                                              std::string bytes);
  virtual Result<FileChunk> get_block(const Caller& caller, const std::string& digest,
                                      uint64_t offset, uint32_t limit);
  /// The next version; the newest one where that is the same. conflict where blocks are missing.
  virtual kj::Promise<Result<DatasetVersion>> push_dataset(const Caller& caller, DatasetPush push);
  virtual Result<std::string> dataset_manifest(const Caller& caller, const std::string& name,
                                               const std::string& which);
  virtual Result<DatasetListing> datasets(const Caller& caller, uint32_t limit,
                                          const std::string& page_token);
  /// not_found, with a suggestion.
  virtual Result<DatasetView> dataset(const Caller& caller, const std::string& name);
  virtual Result<DatasetVersion> dataset_version(const Caller& caller, const std::string& name,
                                                 const std::string& which);
  /// On which nodes the content with that digest lies.
  virtual std::vector<CachedVersion> dataset_nodes(const Caller& caller, const std::string& digest);
  /// Lets nodes fetch a version (none named: all that are up); where it lies then.
  virtual kj::Promise<Result<std::vector<CachedVersion>>> warm_dataset(
      const Caller& caller, std::string name, std::string which, std::vector<std::string> nodes);
  /// conflict where something that has not ended uses it.
  virtual kj::Promise<Result<void>> drop_dataset(const Caller& caller, std::string name,
                                                 uint32_t version);
  /// Lets a tag stand for a version; version 0 removes it.
  virtual kj::Promise<Result<void>> tag_dataset(const Caller& caller, std::string name,
                                                std::string tag, uint32_t version);
};

}  // namespace troupe::api
