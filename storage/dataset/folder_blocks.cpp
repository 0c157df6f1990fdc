#include "storage/dataset/folder_blocks.hpp"

#include "storage/beneath.hpp"
#include "storage/dataset/record_scanner.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <variant>

namespace troupe::dataset {

namespace {

/// Packing for the names of the blocks alone.
class NoSink final : public BlockSink {
 public:
  Result<void> put(const ContentId&, std::string_view) override { return ok(); }
};

Error changed(const std::string& path) {
  return {Errc::conflict, fmt::format("{} is not as it was when it was packed", path),
          "something wrote to it since", "try again when nothing writes to it"};
}

/// All of it, or less at the end of the file.
Result<size_t> read_at(int fd, char* to, size_t count, uint64_t offset, const std::string& path) {
  size_t done = 0;
  while (done < count) {
    auto n = ::pread(fd, to + done, count - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, fmt::format("{} cannot be read", path));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace

Result<std::shared_ptr<FolderBlocks>> FolderBlocks::pack(const std::string& folder) {
  return pack_by(folder, {});
}

Result<std::shared_ptr<FolderBlocks>> FolderBlocks::pack_one(const std::string& folder,
                                                             const std::string& name) {
  ImportOptions options;
  options.only = name;
  options.records = false;
  return pack_by(folder, std::move(options));
}

Result<std::shared_ptr<FolderBlocks>> FolderBlocks::pack_by(const std::string& folder,
                                                            ImportOptions options) {
  auto root = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (!root) return std::move(root).error();
  options.kind = SourceKind::folder;
  options.leave_out_odd = true;
  NoSink sink;
  auto imported = import_path(folder, options, sink);
  if (!imported) return std::move(imported).error();
  return std::shared_ptr<FolderBlocks>{new FolderBlocks{std::move(*imported), std::move(*root)}};
}

FolderBlocks::FolderBlocks(Imported imported, UniqueFd root)
    : manifest_{std::move(imported.manifest)},
      notes_{std::move(imported.notes)},
      root_{std::move(root)},
      parts_(manifest_.blocks.size()) {
  for (uint32_t i = 0; i < manifest_.blocks.size(); ++i)
    numbers_.emplace(manifest_.blocks[i].id, i);
  auto add = [&](uint32_t entry, const Content& content, bool lengths) {
    for (uint32_t i = 0; i < manifest_.piece_count(content); ++i) {
      auto piece = manifest_.pieces[content.first_piece + i];
      parts_[piece.block].push_back({entry, i, piece.offset, lengths});
    }
  };
  for (uint32_t i = 0; i < manifest_.entries.size(); ++i)
    if (!manifest_.entries[i].is_directory) add(i, manifest_.entries[i].content, false);
  for (const auto& table : manifest_.tables)
    if (table.stride == 0) add(table.entry, table.lengths, true);
}

Result<std::string> FolderBlocks::block(const ContentId& id) {
  auto number = numbers_.find(id);
  if (number == numbers_.end())
    return Error{Errc::not_found, fmt::format("there is no block {}", to_string(id)),
                 "the folder was packed without it", "ask for the manifest again"};
  std::string payload(manifest_.blocks[number->second].bytes(), '\0');
  for (const auto& part : parts_[number->second]) {
    const auto& entry = manifest_.entries[part.entry];
    const auto* table = part.lengths ? manifest_.table_of(entry.path) : nullptr;
    auto count =
        manifest_.piece_bytes(table != nullptr ? table->lengths : entry.content, part.number);
    auto* to = payload.data() + part.offset;
    TROUPE_TRY(part.lengths ? read_lengths(part, to, count) : read_file(part, to, count));
  }
  if (content_id_of(payload) != id) return changed("a file of block " + to_string(id));
  return payload;
}

Result<void> FolderBlocks::read_file(const Part& part, char* to, uint64_t count) const {
  const auto& path = manifest_.entries[part.entry].path;
  auto fd = storage::open_beneath(root_.get(), path, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::move(fd).error();
  auto got = read_at(fd->get(), to, count, part.number * manifest_.block_bytes(), path);
  if (!got) return std::move(got).error();
  return *got == count ? ok() : changed(path);
}

Result<void> FolderBlocks::read_lengths(const Part& part, char* to, uint64_t count) {
  std::lock_guard guard{mutex_};
  const auto& path = manifest_.entries[part.entry].path;
  auto known = lengths_.find(part.entry);
  if (known == lengths_.end()) {
    auto fd = storage::open_beneath(root_.get(), path, O_RDONLY | O_NONBLOCK);
    if (!fd) return std::move(fd).error();
    auto scanner = make_scanner(path, HeaderRow::automatic);
    std::string piece(limits::page_bytes * 64, '\0');
    for (uint64_t offset = 0; scanner != nullptr;) {
      auto got = read_at(fd->get(), piece.data(), piece.size(), offset, path);
      if (!got) return std::move(got).error();
      if (*got == 0) break;
      scanner->feed({piece.data(), *got});
      offset += *got;
    }
    auto found = scanner != nullptr ? scanner->finish() : std::string{};
    const auto* draft = std::get_if<TableDraft>(&found);
    if (draft == nullptr) return changed(path);
    known = lengths_.emplace(part.entry, lengths_bytes(draft->lengths)).first;
  }
  auto offset = part.number * manifest_.block_bytes();
  if (known->second.size() < offset + count) return changed(path);
  known->second.copy(to, count, offset);
  return ok();
}

}  // namespace troupe::dataset
