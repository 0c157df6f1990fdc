#include "storage/dataset/manifest.hpp"

#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/manifest_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace troupe::dataset {

namespace {

Error bad(std::string detail) {
  return Error{Errc::invalid, "a dataset manifest was refused", std::move(detail),
               "push the data again with a client of the same version"};
}

const Entry* find_entry(const std::vector<Entry>& entries, std::string_view path) {
  auto found = std::lower_bound(
      entries.begin(), entries.end(), path,
      [](const Entry& entry, std::string_view wanted) { return entry.path < wanted; });
  return found != entries.end() && found->path == path ? &*found : nullptr;
}

Result<void> check_blocks(const Manifest& manifest) {
  std::unordered_set<ContentId, ContentIdHash> ids;
  ids.reserve(manifest.blocks.size());
  for (const auto& block : manifest.blocks) {
    if (block.pages == 0 || block.bytes() > manifest.block_bytes())
      return bad(fmt::format("block {} has {} pages", to_string(block.id), block.pages));
    if (!ids.insert(block.id).second)
      return bad(fmt::format("block {} is there twice", to_string(block.id)));
  }
  return ok();
}

/// `next` is the first piece that no content before had.
Result<void> check_content(const Manifest& manifest, const Content& content, uint64_t& next,
                           uint64_t& bytes) {
  if (content.size > limits::bytes_max - bytes)
    return bad(fmt::format("more than {} bytes", limits::bytes_max));
  bytes += content.size;
  if (content.size == 0) {
    if (content.first_piece == 0 && content.id == content_id_of({})) return ok();
    return bad("an empty file has pieces or another digest");
  }
  auto count = (content.size - 1) / manifest.block_bytes() + 1;
  if (content.first_piece != next || count > manifest.pieces.size() - next)
    return bad("pieces are missing or out of order");
  for (uint32_t i = 0; i < count; ++i) {
    const auto& piece = manifest.pieces[next + i];
    auto alignment = content.is_tight() ? limits::tight_alignment : limits::page_bytes;
    if (piece.block >= manifest.blocks.size() || piece.offset % alignment != 0 ||
        piece.offset + manifest.piece_bytes(content, i) > manifest.blocks[piece.block].bytes())
      return bad(fmt::format("piece {} does not lie inside a block", next + i));
  }
  next += count;
  return ok();
}

Result<void> check_entries(const Manifest& manifest, uint64_t& next, uint64_t& bytes) {
  if (manifest.entries.size() > limits::entries_max)
    return bad(fmt::format("more than {} files and folders", limits::entries_max));
  std::string_view before, folder;
  for (const auto& entry : manifest.entries) {
    if (auto good = check_entry_path(entry.path); !good) return bad(good.error().detail);
    if (entry.path <= before && !before.empty())
      return bad(fmt::format("{} is out of order or there twice", entry.path));
    before = entry.path;
    auto parent = parent_of(entry.path);
    if (!parent.empty() && parent != folder) {
      const auto* above = find_entry(manifest.entries, parent);
      if (above == nullptr || !above->is_directory)
        return bad(fmt::format("{} lies in no folder", entry.path));
      folder = parent;
    }
    if (!entry.is_directory)
      TROUPE_TRY(check_content(manifest, entry.content, next, bytes));
    else if (entry.executable || entry.content != Content{})
      return bad(fmt::format("folder {} has content", entry.path));
  }
  return ok();
}

Result<void> check_table(const Manifest& manifest, const Table& table) {
  if (table.entry >= manifest.entries.size() || manifest.entries[table.entry].is_directory)
    return bad("a table belongs to no file");
  const auto& entry = manifest.entries[table.entry];
  auto odd = [&](std::string_view detail) {
    return bad(fmt::format("the table of {}: {}", entry.path, detail));
  };
  if (table.about.size() > limits::about_bytes_max) return odd("its description is too long");
  if (table.first > entry.content.size) return odd("it begins behind the end of the file");
  auto room = entry.content.size - table.first;
  if (table.stride > limits::record_bytes_max) return odd("its records are too large");
  if (table.stride != 0) {
    if (table.lengths != Content{}) return odd("its records have two kinds of length");
    if (table.count > room / table.stride) return odd("it ends behind the end of the file");
  } else if (table.lengths.size / 4 != table.count || table.lengths.size % 4 != 0) {
    return odd("it has not one length for each record");
  }
  return ok();
}

Result<void> check_tables(const Manifest& manifest, uint64_t& next, uint64_t& bytes) {
  if (manifest.tables.size() > limits::tables_max)
    return bad(fmt::format("more than {} tables", limits::tables_max));
  const Table* before = nullptr;
  for (const auto& table : manifest.tables) {
    TROUPE_TRY(check_table(manifest, table));
    if (before != nullptr && table.entry <= before->entry)
      return bad("tables are out of order or there twice");
    before = &table;
    if (table.stride == 0) TROUPE_TRY(check_content(manifest, table.lengths, next, bytes));
  }
  return ok();
}

}  // namespace

uint32_t Manifest::piece_count(const Content& content) const {
  return content.size == 0 ? 0 : static_cast<uint32_t>((content.size - 1) / block_bytes() + 1);
}

uint64_t Manifest::piece_bytes(const Content& content, uint32_t number) const {
  return std::min(content.size - number * block_bytes(), block_bytes());
}

const Entry* Manifest::find(std::string_view path) const {
  return find_entry(entries, path);
}

const Table* Manifest::table_of(std::string_view path) const {
  for (const auto& table : tables)
    if (entries[table.entry].path == path) return &table;
  return nullptr;
}

uint64_t Manifest::file_bytes() const {
  uint64_t bytes = 0;
  for (const auto& entry : entries) bytes += entry.content.size;
  return bytes;
}

uint64_t Manifest::file_count() const {
  return static_cast<uint64_t>(std::count_if(entries.begin(), entries.end(),
                                             [](const Entry& e) { return !e.is_directory; }));
}

uint64_t Manifest::payload_bytes() const {
  uint64_t bytes = 0;
  for (const auto& block : blocks) bytes += block.bytes();
  return bytes;
}

Result<void> check_manifest(const Manifest& manifest) {
  if (manifest.block_log2 > limits::block_log2_max)
    return bad(fmt::format("blocks of 2^{} pages", manifest.block_log2));
  TROUPE_TRY(check_blocks(manifest));
  uint64_t next = 0, bytes = 0;
  TROUPE_TRY(check_entries(manifest, next, bytes));
  TROUPE_TRY(check_tables(manifest, next, bytes));
  if (next != manifest.pieces.size()) return bad("there are pieces of nothing");
  uint32_t seen = 0;
  for (const auto& piece : manifest.pieces) {
    if (piece.block > seen) return bad("blocks are not in the order of their first piece");
    seen += piece.block == seen ? 1 : 0;
  }
  if (seen != manifest.blocks.size()) return bad("there are blocks that nothing lies in");
  return ok();
}

ContentId version_id(const Manifest& manifest) {
  return content_id_of(manifest_bytes(manifest));
}

ContentId tree_id(const Manifest& manifest) {
  ByteWriter writer;
  for (const auto& entry : manifest.entries) write_entry_head(writer, entry);
  return content_id_of(writer.bytes());
}

std::vector<Difference> differences(const Manifest& before, const Manifest& after) {
  std::vector<Difference> found;
  auto a = before.entries.begin();
  auto b = after.entries.begin();
  while (a != before.entries.end() || b != after.entries.end()) {
    int order = 0;
    if (a == before.entries.end())
      order = 1;
    else if (b == after.entries.end())
      order = -1;
    else
      order = a->path.compare(b->path);
    if (order < 0) {
      found.push_back({Change::removed, a->path, a->content.size, 0});
      ++a;
    } else if (order > 0) {
      found.push_back({Change::added, b->path, 0, b->content.size});
      ++b;
    } else {
      if (a->is_directory != b->is_directory || a->executable != b->executable ||
          a->content.size != b->content.size || a->content.id != b->content.id)
        found.push_back({Change::changed, a->path, a->content.size, b->content.size});
      ++a;
      ++b;
    }
  }
  return found;
}

}  // namespace troupe::dataset
