#include "actors/worker/code_source.hpp"

#include "actors/bulk_words.hpp"
#include "actors/worker/piece_queue.hpp"
#include "runtime/core/digest.hpp"

#include <unordered_map>

namespace troupe::actors {

namespace {

// Half a gigabyte over a slow line; a stream that stands still ends much sooner.
constexpr auto snapshot_limit = std::chrono::minutes{50};
constexpr uint64_t manifest_bytes_max = 64u << 20;

Error cut_short(const std::string& digest) {
  return Error{Errc::unavailable, "code " + digest + " was not fetched",
               "its stream ended too early", "it is tried again"};
}

/// Exactly so many bytes.
Result<std::string> read_whole(PieceQueue& pieces, uint64_t bytes, const std::string& digest) {
  std::string whole;
  while (whole.size() < bytes) {
    auto piece = pieces.read(bytes - whole.size());
    if (!piece) return piece;
    if (piece->empty()) return cut_short(digest);
    whole += *piece;
  }
  return whole;
}

Result<CodeManifest> read_manifest(PieceQueue& pieces, const std::string& digest) {
  auto size_bytes = read_whole(pieces, 8, digest);
  if (!size_bytes) return std::move(size_bytes).error();
  uint64_t size = 0;
  for (unsigned char b : *size_bytes) size = size << 8 | b;
  Error wrong{Errc::corrupt, "code " + digest + " was not fetched", "what came is another manifest",
              "submit again; report it if it happens again"};
  if (size > manifest_bytes_max) return wrong;
  auto text = read_whole(pieces, size, digest);
  if (!text) return std::move(text).error();
  if (sha256_hex(*text) != digest) return wrong;
  return parse_manifest(*text);
}

Result<void> write_tree(PieceQueue& pieces, const std::string& digest, const std::string& target) {
  auto manifest = read_manifest(pieces, digest);
  if (!manifest) return std::move(manifest).error();
  std::unordered_map<std::string, uint64_t> sizes;
  for (const auto& entry : manifest->entries) sizes[entry.digest] = entry.size;
  // Files are made in the manifest's order, which is the stream's.
  return storage::materialise(
      *manifest,
      [&](const std::string& blob, uint64_t offset) { return pieces.read(sizes[blob] - offset); },
      target);
}

}  // namespace

Result<void> LocalCode::materialise(const std::string& digest, const std::string& target) {
  if (digest_ != digest) {
    auto text = store_.manifest(digest);
    if (!text) return std::move(text).error();
    auto manifest = parse_manifest(*text);
    if (!manifest) return std::move(manifest).error();
    manifest_ = std::move(*manifest);
    digest_ = digest;
  }
  return storage::materialise(manifest_, store_, target);
}

Result<void> RemoteCode::materialise(const std::string& digest, const std::string& target) {
  auto pieces = std::make_shared<PieceQueue>();
  cluster::BulkQuestion question;
  question.request = ask_snapshot(digest);
  question.limit = snapshot_limit;
  question.take = [pieces](std::string piece) { return pieces->put(std::move(piece)); };
  question.done = [pieces](Result<cluster::BulkAnswer> answer) {
    pieces->finish(answer ? ok() : Result<void>{answer.error()});
  };
  head_->ask(std::move(question));
  auto written = write_tree(*pieces, digest, target);
  pieces->abandon();
  return written;
}

}  // namespace troupe::actors
