// Code snapshots by content: each file's bytes once in `<dir>/code/blobs/ab/<digest>`, the list of
// files in `<dir>/code/manifests/<digest>`. A tree that changed in one file costs that one file.
// Safe from any thread: everything is written beside and renamed, and equal names have equal bytes.
#pragma once

#include "runtime/core/code_manifest.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

struct BlobChunk {
  std::string bytes;
  uint64_t size = 0;  // of the whole blob
};

class CodeStore {
 public:
  static Result<CodeStore> open(const std::string& dir);

  /// Those that are not stored yet, each once, in the order given. invalid for what is no digest.
  Result<std::vector<std::string>> missing(const std::vector<std::string>& digests) const;
  /// invalid where the bytes do not have this digest. Durable only when a manifest that names it
  /// was taken.
  Result<void> put_blob(const std::string& digest, std::string_view bytes) const;
  /// Syncs every blob it names, then stores it: the answer is its digest, and all is durable.
  /// invalid for a bad text, conflict where blobs are missing (naming them).
  Result<std::string> put_manifest(std::string_view text) const;
  /// The canonical text.
  Result<std::string> manifest(const std::string& digest) const;
  Result<BlobChunk> read_blob(const std::string& digest, uint64_t offset, uint32_t limit) const;
  /// Where a blob's file would lie; empty for what is no digest.
  std::string blob_path(const std::string& digest) const;

 private:
  explicit CodeStore(std::string root) : root_{std::move(root)} {}
  std::string manifest_path(const std::string& digest) const;
  std::string root_;  // `<dir>/code`
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
