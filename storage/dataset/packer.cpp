#include "storage/dataset/packer.hpp"

#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/open_blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace troupe::dataset {

namespace {

struct ContentKey {
  ContentId id;
  uint64_t size;  // the id of several pieces could be that of the bytes that hash to them
  bool operator==(const ContentKey&) const = default;
};
struct ContentKeyHash {
  size_t operator()(const ContentKey& key) const { return ContentIdHash{}(key.id); }
};

}  // namespace

std::string lengths_bytes(const std::vector<uint32_t>& lengths) {
  std::string bytes;
  bytes.reserve(lengths.size() * 4);
  for (auto length : lengths)
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(length >> shift);
  return bytes;
}

/// Where the pieces of a content lie: in `pieces_` here, whichever version they came from.
struct Placed {
  uint64_t first_piece = 0;
  uint64_t size = 0;
  ContentId id;
};

struct Packer::State {
  State(PackOptions options, BlockSink& sink)
      : manifest{.block_log2 = options.block_log2,
                 .blocks = {},
                 .pieces = {},
                 .entries = {},
                 .tables = {}},
        blocks{options.block_log2, sink},
        former{options.former} {
    buffer.reserve(manifest.block_bytes());
    if (former != nullptr && former->block_log2 == options.block_log2) adopt_former();
  }

  void adopt_former();
  Result<void> check_new(std::string_view path);
  Result<void> add_parents(std::string_view path);
  Result<void> flush_piece();
  Result<Placed> end_content();
  Manifest ordered();

  Manifest manifest;  // entries in the order they came; pieces are those below
  OpenBlocks blocks;
  const Manifest* former;
  uint32_t former_blocks = 0;  // the first numbers of `blocks` are the former version's
  std::vector<Piece> pieces;   // as many as were ever placed; of which some are of no file any more
  std::unordered_map<ContentKey, uint64_t, ContentKeyHash> known;    // first piece
  std::unordered_map<std::string, size_t> by_path;                   // in manifest.entries
  std::vector<Placed> placed;                                        // of each entry
  std::unordered_map<size_t, std::pair<TableDraft, Placed>> tables;  // by entry
  PackStats stats;

  // The file that is being written.
  bool writing = false, again = false;
  size_t entry = 0;
  std::string buffer;
  std::vector<Piece> current;
  std::string piece_ids;
  uint64_t written = 0;
};

void Packer::State::adopt_former() {
  for (const auto& block : former->blocks) blocks.adopt(block);
  former_blocks = static_cast<uint32_t>(former->blocks.size());
  pieces = former->pieces;
  auto keep = [&](const Content& content) {
    if (content.size != 0) known.try_emplace({content.id, content.size}, content.first_piece);
  };
  for (const auto& entry_ : former->entries)
    if (!entry_.is_directory) keep(entry_.content);
  for (const auto& table : former->tables)
    if (table.stride == 0) keep(table.lengths);
}

Packer::Packer(PackOptions options, BlockSink& sink)
    : state_{std::make_unique<State>(options, sink)} {}
Packer::~Packer() = default;

Result<void> Packer::State::add_parents(std::string_view path) {
  auto parent = parent_of(path);
  if (parent.empty()) return ok();
  auto found = by_path.find(std::string{parent});
  if (found != by_path.end()) {
    if (manifest.entries[found->second].is_directory) return ok();
    return Error{Errc::conflict, fmt::format("{} cannot be added", printable(path)),
                 fmt::format("{} is a file", printable(parent)),
                 "a file and a folder cannot have one name; rename one of them"};
  }
  TROUPE_TRY(add_parents(parent));
  by_path.emplace(parent, manifest.entries.size());
  manifest.entries.push_back({std::string{parent}, true, false, {}});
  placed.emplace_back();
  return ok();
}

Result<void> Packer::State::check_new(std::string_view path) {
  TROUPE_ASSERT(!writing, "a file is being written");
  TROUPE_TRY(check_entry_path(path));
  if (manifest.entries.size() >= limits::entries_max)
    return Error{Errc::exhausted, "the dataset has too many files",
                 fmt::format("at most {} files and folders are possible", limits::entries_max),
                 "put small files together (tar, Parquet, JSONL), or push several datasets"};
  return add_parents(path);
}

Result<void> Packer::add_directory(std::string_view path) {
  auto& s = *state_;
  TROUPE_TRY(s.check_new(path));
  auto [found, is_new] = s.by_path.try_emplace(std::string{path}, s.manifest.entries.size());
  if (!is_new && !s.manifest.entries[found->second].is_directory)
    return Error{Errc::conflict, fmt::format("folder {} cannot be added", printable(path)),
                 "there is a file of that name", "rename one of them"};
  if (!is_new) return ok();
  s.manifest.entries.push_back({std::string{path}, true, false, {}});
  s.placed.emplace_back();
  return ok();
}

Result<void> Packer::begin_file(std::string_view path, bool executable) {
  auto& s = *state_;
  TROUPE_TRY(s.check_new(path));
  if (!s.by_path.try_emplace(std::string{path}, s.manifest.entries.size()).second)
    return Error{Errc::conflict, fmt::format("{} cannot be added", printable(path)),
                 "the name is there twice", "remove or rename one of them"};
  s.writing = true;
  s.again = false;
  s.entry = s.manifest.entries.size();
  s.manifest.entries.push_back({std::string{path}, false, executable, {}});
  s.placed.emplace_back();
  return ok();
}

Result<void> Packer::pack_again(std::string_view path) {
  auto& s = *state_;
  TROUPE_ASSERT(!s.writing, "a file is being written");
  auto found = s.by_path.find(std::string{path});
  TROUPE_ASSERT(found != s.by_path.end(), "no such file was added");
  s.writing = s.again = true;
  s.entry = found->second;
  // Of several files with these bytes the first one moves them, and the others follow.
  const auto& old = s.placed[s.entry];
  auto known = s.known.find({old.id, old.size});
  if (known != s.known.end() && s.pieces[known->second].block < s.former_blocks)
    s.known.erase(known);
  return ok();
}

Result<void> Packer::State::flush_piece() {
  std::string_view bytes = buffer;
  if (bytes.size() == manifest.block_bytes()) {
    auto number = blocks.put_full(bytes);
    if (!number) return std::move(number).error();
    current.push_back({*number, 0});
    piece_ids += blocks.block(*number).id.view();
    buffer.clear();
  }
  return ok();
}

Result<void> Packer::write(std::string_view bytes) {
  auto& s = *state_;
  TROUPE_ASSERT(s.writing, "no file is being written");
  if (bytes.size() > limits::bytes_max - s.stats.bytes - s.written)
    return Error{Errc::exhausted, "the dataset is too large",
                 fmt::format("at most {} bytes are possible", limits::bytes_max),
                 "push several datasets"};
  s.written += bytes.size();
  while (!bytes.empty()) {
    auto part = bytes.substr(0, s.manifest.block_bytes() - s.buffer.size());
    s.buffer += part;
    bytes.remove_prefix(part.size());
    TROUPE_TRY(s.flush_piece());
  }
  return ok();
}

/// The place of what was written since the last call: a known one, or the pieces just made and one
/// for what is left in the buffer.
Result<Placed> Packer::State::end_content() {
  Placed place;
  place.size = std::exchange(written, 0);
  if (!buffer.empty()) piece_ids += content_id_of(buffer).view();
  if (current.empty() || (current.size() == 1 && buffer.empty())) {
    if (piece_ids.empty())
      place.id = content_id_of({});
    else
      std::copy(piece_ids.begin(), piece_ids.end(), place.id.bytes.begin());
  } else {
    place.id = content_id_of(piece_ids);
  }
  piece_ids.clear();
  if (place.size == 0) return place;
  auto [found, is_new] = known.try_emplace({place.id, place.size}, pieces.size());
  place.first_piece = found->second;
  if (is_new) {
    pieces.insert(pieces.end(), current.begin(), current.end());
    if (!buffer.empty()) {
      auto piece = blocks.put_part(buffer, place.size <= limits::tight_bytes_max);
      if (!piece) return std::move(piece).error();
      pieces.push_back(*piece);
    }
  }
  current.clear();
  buffer.clear();
  return place;
}

Result<void> Packer::end_file(std::optional<TableDraft> table) {
  auto& s = *state_;
  TROUPE_ASSERT(s.writing, "no file is being written");
  s.writing = false;
  auto placed = s.end_content();
  if (!placed) return std::move(placed).error();
  if (s.again) {
    const auto& before = s.placed[s.entry];
    if (before.id != placed->id || before.size != placed->size)
      return Error{
          Errc::conflict,
          fmt::format("{} changed while it was read", printable(s.manifest.entries[s.entry].path)),
          "it has other bytes than a moment ago", "push again when nothing writes to it"};
    s.placed[s.entry] = *placed;
    return ok();
  }
  s.placed[s.entry] = *placed;
  s.stats.files += 1;
  s.stats.bytes += placed->size;
  if (!table || s.tables.size() >= limits::tables_max) return ok();
  Placed lengths;
  if (table->stride == 0) {
    TROUPE_ASSERT(table->lengths.size() == table->count, "a table has other lengths than records");
    s.writing = true;
    auto written = write(lengths_bytes(table->lengths));
    s.writing = false;
    if (!written) return written;
    auto stored = s.end_content();
    if (!stored) return std::move(stored).error();
    lengths = *stored;
    table->lengths = {};
  }
  s.tables.emplace(s.entry, std::pair{std::move(*table), lengths});
  return ok();
}

std::vector<std::string> Packer::scattered() const {
  const auto& s = *state_;
  auto each_former = [&](const Placed& placed, auto&& use) {
    Content content{placed.size, placed.id, 0};
    auto alignment = content.is_tight() ? limits::tight_alignment : limits::page_bytes;
    auto count = s.manifest.piece_count(content);
    for (uint32_t i = 0; i < count; ++i) {
      const auto& piece = s.pieces[placed.first_piece + i];
      auto bytes = s.manifest.piece_bytes(content, i);
      if (piece.block < s.former_blocks)
        use(piece, (bytes + alignment - 1) / alignment * alignment);
    }
  };
  if (s.former_blocks == 0) return {};
  // Bytes of former blocks that something of a version lies on; each place counts once.
  struct Use {
    std::vector<uint64_t> bytes;
    std::unordered_set<uint64_t> counted;
  };
  auto count = [&](Use& use, const Placed& placed) {
    each_former(placed, [&](const Piece& piece, uint64_t bytes) {
      if (use.counted.insert(uint64_t{piece.block} << 32 | piece.offset).second)
        use.bytes[piece.block] += bytes;
    });
  };
  auto placed_of = [](const Content& content) {
    return Placed{content.first_piece, content.size, content.id};
  };
  Use before{std::vector<uint64_t>(s.former_blocks, 0), {}}, now = before;
  for (const auto& entry : s.former->entries)
    if (!entry.is_directory) count(before, placed_of(entry.content));
  for (const auto& table : s.former->tables) count(before, placed_of(table.lengths));
  for (const auto& placed : s.placed) count(now, placed);
  for (const auto& [entry, table] : s.tables) count(now, table.second);
  // A block that always was half empty is no reason to move what still is as it was.
  auto is_sparse = [&](uint32_t block) {
    return now.bytes[block] < before.bytes[block] &&
           2 * now.bytes[block] < s.blocks.block(block).bytes();
  };
  std::vector<std::string> paths;
  for (size_t i = 0; i < s.placed.size(); ++i) {
    bool sparse = false;
    each_former(s.placed[i],
                [&](const Piece& piece, uint64_t) { sparse = sparse || is_sparse(piece.block); });
    if (sparse) paths.push_back(s.manifest.entries[i].path);
  }
  return paths;
}

/// The manifest in its canonical order: entries by path, blocks by their first piece.
Manifest Packer::State::ordered() {
  std::vector<size_t> order(manifest.entries.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return manifest.entries[a].path < manifest.entries[b].path;
  });
  Manifest result;
  result.block_log2 = manifest.block_log2;
  std::unordered_map<ContentId, uint32_t, ContentIdHash> numbers;
  auto take = [&](const Placed& from) {
    Content content{from.size, from.id, 0};
    auto count = result.piece_count(content);
    if (count > 0) content.first_piece = static_cast<uint32_t>(result.pieces.size());
    for (uint32_t i = 0; i < count; ++i) {
      auto piece = pieces[from.first_piece + i];
      const auto& block = blocks.block(piece.block);
      auto [found, is_new] =
          numbers.try_emplace(block.id, static_cast<uint32_t>(result.blocks.size()));
      if (is_new) result.blocks.push_back(block);
      result.pieces.push_back({found->second, piece.offset});
    }
    return content;
  };
  std::vector<std::pair<uint32_t, size_t>> with_table;
  for (auto index : order) {
    if (tables.contains(index))
      with_table.emplace_back(static_cast<uint32_t>(result.entries.size()), index);
    auto& entry_ = result.entries.emplace_back(std::move(manifest.entries[index]));
    if (!entry_.is_directory) entry_.content = take(placed[index]);
  }
  for (auto [number, index] : with_table) {
    auto& [draft, lengths] = tables.at(index);
    Table table{number, draft.first, draft.count,           draft.stride,
                {},     draft.trim,  std::move(draft.about)};
    if (draft.stride == 0) table.lengths = take(lengths);
    result.tables.push_back(std::move(table));
  }
  return result;
}

Result<Manifest> Packer::finish() {
  auto& s = *state_;
  TROUPE_ASSERT(!s.writing, "a file is being written");
  TROUPE_TRY(s.blocks.close_all());
  auto manifest = s.ordered();
  TROUPE_TRY(check_manifest(manifest));
  s.stats.new_blocks = s.blocks.handed_blocks();
  s.stats.new_bytes = s.blocks.handed_bytes();
  if (s.former_blocks > 0) {
    std::unordered_set<ContentId, ContentIdHash> former;
    for (const auto& block : s.former->blocks) former.insert(block.id);
    for (const auto& block : manifest.blocks) {
      if (!former.contains(block.id)) continue;
      s.stats.kept_blocks += 1;
      s.stats.kept_bytes += block.bytes();
    }
  }
  return manifest;
}

const PackStats& Packer::stats() const {
  return state_->stats;
}

}  // namespace troupe::dataset
