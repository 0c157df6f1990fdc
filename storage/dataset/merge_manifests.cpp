#include "storage/dataset/merge_manifests.hpp"

#include <fmt/format.h>

#include <map>
#include <unordered_map>

namespace troupe::dataset {

namespace {

struct Source {
  const Manifest* part = nullptr;
  uint32_t entry = 0;
};

Error differ(const std::string& path) {
  return Error{Errc::invalid, "parts of a tree do not fit together",
               fmt::format("{} is another one in two of them", path),
               "give what each machine writes a name of its own, as shards by rank have"};
}

bool is_same(const Entry& a, const Entry& b) {
  return a.is_directory == b.is_directory && a.executable == b.executable &&
         a.content.size == b.content.size && a.content.id == b.content.id;
}

/// Takes pieces over in the order in which a manifest has them.
class Merging {
 public:
  explicit Merging(uint8_t block_log2) { whole_.block_log2 = block_log2; }

  void add_entry(const Source& source) {
    auto entry = source.part->entries[source.entry];
    entry.content = taken(*source.part, entry.content);
    whole_.entries.push_back(std::move(entry));
  }
  /// Behind all entries.
  void add_table(const Manifest& part, Table table, uint32_t entry) {
    table.entry = entry;
    table.lengths = taken(part, table.lengths);
    whole_.tables.push_back(std::move(table));
  }
  Manifest take() { return std::move(whole_); }

 private:
  Content taken(const Manifest& part, Content content) {
    if (content.size == 0) return content;
    auto first = static_cast<uint32_t>(whole_.pieces.size());
    for (uint32_t i = 0; i < part.piece_count(content); ++i) {
      auto piece = part.pieces[content.first_piece + i];
      const auto& block = part.blocks[piece.block];
      auto [known, is_new] = blocks_.emplace(block.id, static_cast<uint32_t>(whole_.blocks.size()));
      if (is_new) whole_.blocks.push_back(block);
      whole_.pieces.push_back({known->second, piece.offset});
    }
    content.first_piece = first;
    return content;
  }

  Manifest whole_;
  std::unordered_map<ContentId, uint32_t, ContentIdHash> blocks_;
};

}  // namespace

Result<Manifest> merge_manifests(const std::vector<Manifest>& parts) {
  TROUPE_ASSERT(!parts.empty(), "nothing to merge");
  std::map<std::string_view, Source> sources;
  for (const auto& part : parts) {
    if (part.block_log2 != parts.front().block_log2)
      return Error{Errc::invalid, "parts of a tree do not fit together",
                   "their blocks are of different sizes", "run one version of troupe everywhere"};
    for (uint32_t i = 0; i < part.entries.size(); ++i) {
      auto [known, is_new] = sources.emplace(part.entries[i].path, Source{&part, i});
      const auto& first = known->second;
      if (!is_new && !is_same(first.part->entries[first.entry], part.entries[i]))
        return differ(part.entries[i].path);
    }
  }
  Merging merging{parts.front().block_log2};
  for (const auto& [path, source] : sources) merging.add_entry(source);
  uint32_t number = 0;
  for (const auto& [path, source] : sources) {
    if (const auto* table = source.part->table_of(path))
      merging.add_table(*source.part, *table, number);
    ++number;
  }
  auto whole = merging.take();
  TROUPE_TRY(check_manifest(whole));
  return whole;
}

}  // namespace troupe::dataset
