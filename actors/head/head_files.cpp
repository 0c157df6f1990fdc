#include "actors/head/head_files.hpp"

#include "actors/bulk_words.hpp"
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

using Opened = Result<std::unique_ptr<cluster::BulkSource>>;

Opened open_snapshot(const storage::CodeStore& store, const std::string& digest) {
  auto text = store.manifest(digest);
  if (!text) return std::move(text).error();
  auto manifest = parse_manifest(*text);
  if (!manifest) return std::move(manifest).error();
  std::string begin;
  for (int shift = 56; shift >= 0; shift -= 8)
    begin += static_cast<char>(static_cast<uint64_t>(text->size()) >> shift);
  begin += *text;
  return Opened{std::make_unique<SnapshotSource>(store, std::move(*manifest), std::move(begin))};
}

/// A manifest or a block: whole in memory, at most 64 MiB but for very large manifests.
Opened open_data(const dataset::DatasetStore& store, const cluster::BulkRequest& request) {
  auto id = dataset::content_id_from(request.of);
  if (!id)
    return Error{Errc::invalid, "this is no digest", request.of.substr(0, 80),
                 "give 64 hexadecimal digits"};
  auto bytes = request.what == "block" ? store.blocks().get(*id) : store.manifest_bytes(*id);
  if (!bytes) return std::move(bytes).error();
  auto size = bytes->size();
  return Opened{std::make_unique<BulkText>(std::move(*bytes), cluster::BulkEnd{0, size, true})};
}

Opened open_text(std::string text) {
  auto size = text.size();
  return Opened{std::make_unique<BulkText>(std::move(text), cluster::BulkEnd{0, size, true})};
}

Opened open_member(const HeadDesk& desk, const std::string& common_name) {
  auto name = desk.admit(common_name);
  if (!name) return std::move(name).error();
  return open_text(std::move(*name));
}

}  // namespace

cluster::BulkOpen head_files(storage::CodeStore code, dataset::DatasetStore data, HeadDesk desk) {
  return [code = std::move(code), data = std::move(data), desk = std::move(desk)](
             const std::string& peer, const cluster::BulkRequest& request) -> Opened {
    if (request.what == "sources" && desk.replicas)
      return open_text(sources_text(desk.replicas->sources(request.of, peer)));
    if (request.what == "member" && desk.admit) return open_member(desk, request.of);
    if (request.what == "snapshot") return open_snapshot(code, request.of);
    if (request.what == "manifest" || request.what == "block") return open_data(data, request);
    return Error{Errc::refused, "the head has no \"" + request.what.substr(0, 64) + "\"",
                 "it gives code snapshots and datasets", "are head and worker of one version?"};
  };
}

}  // namespace troupe::actors
