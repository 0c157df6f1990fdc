// Dataset versions on their way to a head and back: only the blocks that are missing travel, each
// verified where it arrives. Broken off at any byte, the next try goes on where this one ended.
// Blocking; the thread of the client.
#pragma once

#include "client/cpp/client.hpp"
#include "storage/dataset/import.hpp"
#include "storage/dataset/packer.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::client {

/// Takes blocks from a packer and uploads those that the head lacks, several at a time.
class UploadSink final : public dataset::BlockSink {
 public:
  /// `sent` is told the bytes of each batch that is there now. Everything outlives it.
  UploadSink(Client& head, std::function<void(uint64_t bytes)> sent)
      : head_{head}, sent_{std::move(sent)} {}
  Result<void> put(const dataset::ContentId& id, std::string_view payload) override;
  /// What is still held back.
  Result<void> flush();
  uint64_t uploaded_bytes() const { return uploaded_bytes_; }
  uint64_t uploaded_blocks() const { return uploaded_blocks_; }

 private:
  Client& head_;
  std::function<void(uint64_t)> sent_;
  std::vector<std::pair<std::string, std::string>> held_;  // digest and payload
  size_t held_bytes_ = 0;
  uint64_t uploaded_bytes_ = 0, uploaded_blocks_ = 0;
};

struct PushSource {
  std::string path;
  dataset::ImportOptions options;  // `former` is filled in
};
struct PushResult {
  Value version;  // as the API answers it
  bool unchanged = false;
  uint64_t uploaded_bytes = 0, uploaded_blocks = 0;
  dataset::PackStats stats;
  std::vector<std::string> notes;
};
/// Makes the next version of `push.name` from files; the version before lends its blocks. The
/// manifest of `push` is filled in.
Result<PushResult> push_path(Client& head, PushSource source, DatasetPush push,
                             std::function<void(uint64_t bytes)> sent);

/// The manifest of a version by number or tag, verified against its digest.
Result<dataset::Manifest> fetch_manifest(Client& head, const std::string& name,
                                         const std::string& which);
/// Bytes of contents, fetched block by block, each verified; the newest few are kept.
class BlockReader {
 public:
  BlockReader(Client& head, const dataset::Manifest& manifest) : head_{head}, manifest_{manifest} {}
  /// Calls `use` with piece after piece of a content, at most `most` bytes in all; its error ends
  /// it.
  Result<void> read(const dataset::Content& content, uint64_t most,
                    const std::function<Result<void>(std::string_view)>& use);
  uint64_t fetched_bytes() const { return fetched_bytes_; }

 private:
  Result<const std::string*> block(uint32_t number);
  Client& head_;
  const dataset::Manifest& manifest_;
  std::vector<std::pair<uint32_t, std::string>> kept_;  // the newest last
  uint64_t fetched_bytes_ = 0;
};

/// Writes the tree below `folder`, which must be empty or not exist. On an error what was written
/// stays, and says so.
Result<void> fetch_tree(Client& head, const dataset::Manifest& manifest, const std::string& folder,
                        const std::function<void(uint64_t bytes)>& got);

}  // namespace troupe::client
