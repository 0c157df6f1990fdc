#include "storage/dataset/sealed_layout.hpp"

#include "storage/dataset/manifest_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace troupe::dataset {

namespace {

constexpr std::string_view head_magic = "TRPBLOCK", seal_magic = "TRPSEAL1";
// A leaf page holds 4,080 bytes of nodes, each of 8 bytes, a key of 12, a page number of 8 and a
// slot of 2.
constexpr uint64_t nodes_in_leaf = 4080 / 30;
// A commit writes the last leaf, the branches above it, both trees' roots and the list of free
// pages anew; the pages they replace stay in the file.
constexpr uint64_t pages_of_commit = 16;

uint64_t big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

SealedPaths sealed_paths(const std::string& dir, const ContentId& version) {
  return {dir + "/" + to_string(version)};
}

SealedPaths filling_paths(const std::string& dir, const ContentId& version) {
  return {dir + "/" + to_string(version) + ".fill"};
}

std::array<char, block_head_bytes> head_bytes(const BlockHead& head) {
  ByteWriter writer;
  writer.text(head_magic);
  writer.u32(1);
  writer.u32(head.block);
  writer.u32(head.pages);
  writer.text(head.id.view());
  std::array<char, block_head_bytes> bytes{};
  std::copy(writer.bytes().begin(), writer.bytes().end(), bytes.begin());
  return bytes;
}

std::optional<BlockHead> head_from(std::string_view bytes) {
  if (bytes.size() < block_head_bytes) return std::nullopt;
  ByteReader reader{bytes.substr(0, block_head_bytes)};
  if (reader.text(head_magic.size()) != head_magic || reader.u32() != 1) return std::nullopt;
  BlockHead head;
  head.block = reader.u32();
  head.pages = reader.u32();
  auto id = reader.text(head.id.bytes.size());
  std::copy(id.begin(), id.end(), head.id.bytes.begin());
  return head;
}

std::array<char, 12> block_key(uint64_t arrival, uint32_t block) {
  std::array<char, 12> key{};
  for (unsigned i = 0; i < 8; ++i) key[i] = static_cast<char>(arrival >> (56 - 8 * i));
  for (unsigned i = 0; i < 4; ++i) key[8 + i] = static_cast<char>(block >> (24 - 8 * i));
  return key;
}

std::optional<BlockKey> block_key_from(std::string_view bytes) {
  if (bytes.size() != 12) return std::nullopt;
  return BlockKey{big_endian(bytes.substr(0, 8)),
                  static_cast<uint32_t>(big_endian(bytes.substr(8)))};
}

uint64_t blocks_file_bytes_max(const Manifest& manifest, uint64_t commit_bytes) {
  uint64_t pages = 2;
  for (const auto& block : manifest.blocks) pages += 1 + block.pages;
  pages += 2 * (manifest.blocks.size() / nodes_in_leaf + 2);
  pages += pages_of_commit * (manifest.payload_bytes() / commit_bytes + 4);
  return pages * limits::page_bytes;
}

std::string seal_bytes(const Seal& seal) {
  ByteWriter writer;
  writer.text(seal_magic);
  writer.u64(seal.pages);
  writer.text(seal.tree_id.view());
  writer.u64(seal.tree_pages.size());
  for (auto page : seal.tree_pages) writer.u64(page);
  auto bytes = writer.take();
  bytes += content_id_of(bytes).view();
  return bytes;
}

Result<Seal> seal_from(std::string_view bytes, const std::string& path) {
  Error damaged{Errc::corrupt, fmt::format("{} is damaged", path), "its digest does not fit",
                "remove this version from the node; it is filled again when it is needed"};
  Seal seal;
  auto id_bytes = seal.tree_id.bytes.size();
  if (bytes.size() < id_bytes) return damaged;
  auto body = bytes.substr(0, bytes.size() - id_bytes);
  if (content_id_of(body).view() != bytes.substr(body.size())) return damaged;
  ByteReader reader{body};
  if (reader.text(seal_magic.size()) != seal_magic) return damaged;
  seal.pages = reader.u64();
  auto id = reader.text(id_bytes);
  auto count = reader.u64();
  if (!reader.ok() || count != reader.left() / 8 || reader.left() % 8 != 0) return damaged;
  std::copy(id.begin(), id.end(), seal.tree_id.bytes.begin());
  seal.tree_pages.reserve(count);
  for (uint64_t i = 0; i < count; ++i) seal.tree_pages.push_back(reader.u64());
  return seal;
}

}  // namespace troupe::dataset
