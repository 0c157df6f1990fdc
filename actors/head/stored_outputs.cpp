#include "actors/head/stored_outputs.hpp"

#include "actors/head/checkpoint_books.hpp"
#include "runtime/core/digest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

Result<void> StoredOutputs::add(const DatasetVersion& version, const std::string& folder,
                                Timestamp made) {
  auto id = dataset::content_id_from(version.digest);
  if (!id)
    return Error{Errc::corrupt, fmt::format("{}:{} has no digest", version.name, version.version),
                 "the ledger names it so", "please report"};
  auto manifest = store_->manifest(*id);
  if (!manifest) return std::move(manifest).error();
  for (const auto& entry : manifest->entries)
    if (!entry.is_directory)
      files_.try_emplace(folder + entry.path,
                         File{versions_.size(), entry.path, entry.content.size});
  versions_.push_back({std::move(*manifest), made});
  return ok();
}

Result<StoredOutputs> StoredOutputs::open(const storage::Ledger& ledger,
                                          const dataset::DatasetStore& store, ExperimentId id) {
  StoredOutputs kept{store};
  auto outputs = ledger.dataset(outputs_name(id), "");
  if (!outputs) return std::move(outputs).error();
  if (*outputs) {
    TROUPE_TRY(kept.add(**outputs, "", (**outputs).created));
    kept.has_all_ = true;
  }
  auto checkpoints = kept_checkpoints(ledger, id);
  if (!checkpoints) return std::move(checkpoints).error();
  for (auto version = checkpoints->rbegin(); version != checkpoints->rend(); ++version)
    TROUPE_TRY(kept.add(*version, "checkpoints/", version->checkpoint->made));
  if (!kept.files_.empty() || kept.has_all_) return kept;
  return Error{Errc::not_found, fmt::format("the head has no files of {}", to_string(id)),
               "its outputs lie where it ran, and no checkpoint of it is kept",
               fmt::format("troupe show {} names its node", to_string(id))};
}

api::OutputList StoredOutputs::list(const std::string& after, uint32_t limit) const {
  api::OutputList list;
  auto file = after.empty() ? files_.begin() : files_.upper_bound(after);
  for (; file != files_.end() && list.entries.size() < limit; ++file)
    list.entries.push_back(
        {file->first, file->second.size, versions_[file->second.version].made, false, {}});
  if (file == files_.end() || list.entries.empty()) return list;
  list.complete = false;
  list.next_page_token = hex(list.entries.back().path);
  return list;
}

Result<api::FileChunk> StoredOutputs::read(const std::string& path, uint64_t offset,
                                           uint32_t limit) const {
  auto file = files_.find(path);
  if (file == files_.end())
    return Error{Errc::not_found, fmt::format("{} is not with the head", path),
                 "its node is away, and the head has other files of it alone",
                 "wait for the node, or take what troupe out ls shows"};
  const auto& manifest = versions_[file->second.version].manifest;
  const auto& content = manifest.find(file->second.path)->content;
  api::FileChunk chunk;
  chunk.size = content.size;
  if (offset >= content.size) return chunk;
  auto end = std::min<uint64_t>(content.size, offset + limit);
  while (offset < end) {
    auto number = static_cast<uint32_t>(offset / manifest.block_bytes());
    auto inside = offset % manifest.block_bytes();
    const auto& piece = manifest.pieces[content.first_piece + number];
    auto count = std::min(end - offset, manifest.piece_bytes(content, number) - inside);
    auto at = chunk.bytes.size();
    chunk.bytes.resize(at + count);
    TROUPE_TRY(store_->blocks().read(manifest.blocks[piece.block].id, piece.offset + inside,
                                     chunk.bytes.data() + at, count));
    offset += count;
  }
  return chunk;
}

}  // namespace troupe::actors
