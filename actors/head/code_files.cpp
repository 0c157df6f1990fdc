#include "actors/head/code_files.hpp"

#include "runtime/core/code_manifest.hpp"

namespace troupe::actors {

namespace {

/// The manifest behind its size, then file after file.
class SnapshotSource final : public cluster::BulkSource {
 public:
  SnapshotSource(storage::CodeStore store, CodeManifest manifest, std::string begin)
      : store_{std::move(store)}, manifest_{std::move(manifest)}, begin_{std::move(begin)} {}

  /// Small files share a piece: each piece costs a frame and a hop between threads.
  Result<std::string> next() override {
    auto piece = begin_.substr(begun_, cluster::bulk_piece_bytes);
    begun_ += piece.size();
    while (piece.size() < cluster::bulk_piece_bytes && at_ < manifest_.entries.size()) {
      const auto& entry = manifest_.entries[at_];
      if (entry.is_link || offset_ >= entry.size) {
        ++at_;
        offset_ = 0;
        continue;
      }
      auto room = static_cast<uint32_t>(cluster::bulk_piece_bytes - piece.size());
      auto chunk = store_.blobs().read(entry.digest, offset_, room);
      if (!chunk) return std::move(chunk).error();
      if (chunk->bytes.empty())
        return Error{Errc::corrupt, "code file " + entry.path + " cannot be read",
                     "it is shorter than its manifest says", "submit with the code again"};
      piece += chunk->bytes;
      offset_ += chunk->bytes.size();
      done_ += chunk->bytes.size();
    }
    return piece;
  }
  cluster::BulkEnd end() override { return {0, done_, true}; }

 private:
  storage::CodeStore store_;
  CodeManifest manifest_;
  std::string begin_;
  size_t begun_ = 0, at_ = 0;
  uint64_t offset_ = 0, done_ = 0;
};

}  // namespace

cluster::BulkOpen code_files(storage::CodeStore store) {
  return [store = std::move(store)](
             const std::string&,
             const cluster::BulkRequest& request) -> Result<std::unique_ptr<cluster::BulkSource>> {
    if (request.what != "snapshot")
      return Error{Errc::refused, "the head has no \"" + request.what.substr(0, 64) + "\"",
                   "it gives code snapshots", "are head and worker of one version?"};
    auto text = store.manifest(request.of);
    if (!text) return std::move(text).error();
    auto manifest = parse_manifest(*text);
    if (!manifest) return std::move(manifest).error();
    std::string begin;
    for (int shift = 56; shift >= 0; shift -= 8)
      begin += static_cast<char>(static_cast<uint64_t>(text->size()) >> shift);
    begin += *text;
    return std::unique_ptr<cluster::BulkSource>{
        new SnapshotSource{store, std::move(*manifest), std::move(begin)}};
  };
}

}  // namespace troupe::actors
