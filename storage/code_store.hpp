// Code snapshots by content: each file's bytes once in `<dir>/code/blobs/ab/<digest>`, the list of
// files in `<dir>/code/manifests/<digest>`. A tree that changed in one file costs that one file.
// Safe from any thread: everything is written beside and renamed, and equal names have equal bytes.
#pragma once

#include "runtime/core/code_manifest.hpp"
#include "runtime/core/result.hpp"
#include "storage/blob_store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace troupe::storage {

class CodeStore {
 public:
  static Result<CodeStore> open(const std::string& dir);

  /// The files. A blob is durable only when a manifest that names it was taken.
  const BlobStore& blobs() const { return blobs_; }
  /// Syncs every blob it names, then stores it: the answer is its digest, and all is durable.
  /// invalid for a bad text, conflict where blobs are missing (naming them).
  Result<std::string> put_manifest(std::string_view text) const;
  /// The canonical text.
  Result<std::string> manifest(const std::string& digest) const;
  /// Digests of all snapshots that are stored, whole or not.
  Result<std::vector<std::string>> manifests() const;
  /// corrupt where its text has another digest.
  Result<void> check_manifest(const std::string& digest) const;
  /// Moves what is damaged into `<dir>/code/aside`: the same can be sent again.
  Result<void> set_aside_manifest(const std::string& digest) const;
  Result<void> set_aside_blob(const std::string& digest) const;
  /// Removes what was moved there before that time, unless `dry_run`; its bytes.
  uint64_t drop_aside(FileTime than, bool dry_run) const;

  struct Collected {
    uint64_t snapshots = 0, files = 0, bytes = 0;
    std::string kept;  // why no file was removed; empty: it was looked for all
  };
  /// Removes snapshots that have no name, then files that no snapshot has any more: of both what
  /// nobody has counted on since `than`.
  Result<Collected> collect(FileTime than, bool dry_run,
                            const std::unordered_set<std::string>& named) const;

 private:
  CodeStore(std::string root, BlobStore blobs) : root_{std::move(root)}, blobs_{std::move(blobs)} {}
  std::string manifest_path(const std::string& digest) const;
  Result<bool> remove_older(const std::string& digest, FileTime than, bool dry_run) const;
  std::string root_;  // `<dir>/code`
  BlobStore blobs_;
  std::shared_ptr<std::mutex> touching_ = std::make_shared<std::mutex>();
};

/// Where the bytes of a blob come from when it is no local file: a piece beginning at `offset`, not
/// empty before the end.
using FetchBlob = std::function<Result<std::string>(const std::string& digest, uint64_t offset)>;

/// Makes a private copy of a snapshot in `target`, which must not exist yet (its parent must).
/// Files are verified against their digests, links come last, nothing outside `target` is touched.
/// On an error `target` is gone again.
Result<void> materialise(const CodeManifest& manifest, const FetchBlob& fetch,
                         const std::string& target);
/// The same from a store on this machine: shares or copies inside the kernel where it can. The
/// bytes are those of put_blob, so they are not hashed again; sizes are checked.
Result<void> materialise(const CodeManifest& manifest, const CodeStore& store,
                         const std::string& target);

}  // namespace troupe::storage
