#include "storage/dataset/manifest_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace troupe::dataset {

namespace {

constexpr std::string_view magic = "TRPDATA1";
constexpr size_t block_bytes = 36, piece_bytes = 8;  // of a manifest, not of the data
constexpr size_t entry_bytes_min = 4, table_bytes_min = 4 + 8 + 8 + 8 + 1 + 4;
constexpr size_t entry_bytes_usual = 60;  // a file with a path of a few letters
constexpr uint8_t flag_directory = 1, flag_executable = 2;

void write_id(ByteWriter& writer, const ContentId& id) {
  writer.text(id.view());
}

void write_pieces(ByteWriter& writer, const Manifest& manifest, const Content& content) {
  auto count = manifest.piece_count(content);
  for (uint32_t i = 0; i < count; ++i) {
    writer.u32(manifest.pieces[content.first_piece + i].block);
    writer.u32(manifest.pieces[content.first_piece + i].offset);
  }
}

Error refused(std::string detail) {
  return Error{Errc::invalid, "a dataset manifest was refused", std::move(detail),
               "push the data again with a client of the same version"};
}

ContentId read_id(ByteReader& reader) {
  ContentId id;
  auto bytes = reader.text(id.bytes.size());
  if (!bytes.empty()) std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

/// Memory is bounded by the bytes that came: nothing is reserved for what they cannot hold.
Result<void> read_content(ByteReader& reader, Manifest& manifest, Content& content) {
  content.size = reader.u64();
  content.id = read_id(reader);
  if (content.size > limits::bytes_max) return refused("a file is too large");
  if (content.size == 0) return ok();
  auto count = (content.size - 1) / manifest.block_bytes() + 1;
  if (count > reader.left() / piece_bytes || manifest.pieces.size() + count > UINT32_MAX)
    return refused("it ends in the middle of a file's pieces");
  content.first_piece = static_cast<uint32_t>(manifest.pieces.size());
  for (uint64_t i = 0; i < count; ++i) {
    Piece piece;
    piece.block = reader.u32();
    piece.offset = reader.u32();
    manifest.pieces.push_back(piece);
  }
  return ok();
}

Result<void> read_entry(ByteReader& reader, Manifest& manifest) {
  Entry entry;
  auto flags = reader.u8();
  if ((flags & ~(flag_directory | flag_executable)) != 0) return refused("an entry of a new kind");
  entry.is_directory = (flags & flag_directory) != 0;
  entry.executable = (flags & flag_executable) != 0;
  entry.path = reader.text(reader.u16());
  if (!entry.is_directory) TROUPE_TRY(read_content(reader, manifest, entry.content));
  manifest.entries.push_back(std::move(entry));
  return ok();
}

Result<void> read_table(ByteReader& reader, Manifest& manifest) {
  Table table;
  table.entry = reader.u32();
  table.first = reader.u64();
  table.count = reader.u64();
  table.stride = reader.u64();
  auto trim = reader.u8();
  if (trim > 1) return refused("a table of a new kind");
  table.trim = trim == 1;
  table.about = reader.text(reader.u32());
  if (table.stride == 0) TROUPE_TRY(read_content(reader, manifest, table.lengths));
  manifest.tables.push_back(std::move(table));
  return ok();
}

}  // namespace

void write_entry_head(ByteWriter& writer, const Entry& entry) {
  writer.u8(static_cast<uint8_t>((entry.is_directory ? flag_directory : 0) |
                                 (entry.executable ? flag_executable : 0)));
  writer.u16(static_cast<uint16_t>(entry.path.size()));
  writer.text(entry.path);
  if (entry.is_directory) return;
  writer.u64(entry.content.size);
  write_id(writer, entry.content.id);
}

std::string manifest_bytes(const Manifest& manifest) {
  ByteWriter writer;
  writer.text(magic);
  writer.u32(manifest.block_log2);
  writer.u32(static_cast<uint32_t>(manifest.blocks.size()));
  writer.u32(static_cast<uint32_t>(manifest.entries.size()));
  writer.u32(static_cast<uint32_t>(manifest.tables.size()));
  for (const auto& block : manifest.blocks) {
    write_id(writer, block.id);
    writer.u32(block.pages);
  }
  for (const auto& entry : manifest.entries) {
    write_entry_head(writer, entry);
    if (!entry.is_directory) write_pieces(writer, manifest, entry.content);
  }
  for (const auto& table : manifest.tables) {
    writer.u32(table.entry);
    writer.u64(table.first);
    writer.u64(table.count);
    writer.u64(table.stride);
    writer.u8(table.trim ? 1 : 0);
    writer.u32(static_cast<uint32_t>(table.about.size()));
    writer.text(table.about);
    if (table.stride != 0) continue;
    writer.u64(table.lengths.size);
    write_id(writer, table.lengths.id);
    write_pieces(writer, manifest, table.lengths);
  }
  return writer.take();
}

Result<Manifest> parse_manifest(std::string_view bytes) {
  if (bytes.size() > limits::manifest_bytes_max)
    return refused(fmt::format("it has {} bytes, at most {} are taken", bytes.size(),
                               limits::manifest_bytes_max));
  ByteReader reader{bytes};
  if (reader.text(magic.size()) != magic)
    return refused("it does not begin as a manifest of version 1 does");
  Manifest manifest;
  auto log2 = reader.u32();
  if (log2 > limits::block_log2_max) return refused(fmt::format("blocks of 2^{} pages", log2));
  manifest.block_log2 = static_cast<uint8_t>(log2);
  uint32_t blocks = reader.u32(), entries = reader.u32(), tables = reader.u32();
  if (blocks > reader.left() / block_bytes || entries > reader.left() / entry_bytes_min ||
      tables > reader.left() / table_bytes_min || entries > limits::entries_max ||
      tables > limits::tables_max)
    return refused("it promises more than it holds or than is possible");
  manifest.blocks.reserve(blocks);
  for (uint32_t i = 0; i < blocks; ++i) {
    auto id = read_id(reader);
    manifest.blocks.push_back({id, reader.u32()});
  }
  // As many as there are of ordinary ones in these bytes: more grow as they come.
  manifest.entries.reserve(std::min<size_t>(entries, reader.left() / entry_bytes_usual));
  for (uint32_t i = 0; i < entries && reader.ok(); ++i) TROUPE_TRY(read_entry(reader, manifest));
  for (uint32_t i = 0; i < tables && reader.ok(); ++i) TROUPE_TRY(read_table(reader, manifest));
  if (!reader.ok()) return refused("it ends too early");
  if (reader.left() != 0) return refused("there is more behind its end");
  TROUPE_TRY(check_manifest(manifest));
  return manifest;
}

}  // namespace troupe::dataset
