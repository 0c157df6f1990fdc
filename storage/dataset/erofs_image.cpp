#include "storage/dataset/erofs_image.hpp"

#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/manifest_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <vector>

namespace troupe::dataset {

namespace {

// The numbers of the format, all little-endian (Linux, fs/erofs/erofs_fs.h).
constexpr uint32_t magic = 0xE0F5E1E2;
constexpr uint8_t block_bits = 12;
constexpr uint32_t feature_chunked_file = 0x4, feature_device_table = 0x8;
constexpr size_t superblock_at = 1024, device_slot_at = 1280;
constexpr uint32_t metadata_block = 1;  // inodes begin here
constexpr uint64_t slot_bytes = 32;     // an inode's number is its place in these units
constexpr uint16_t layout_plain = 0, layout_inline = 2, layout_chunked = 4;
constexpr uint32_t chunk_indexes = 0x20;
constexpr uint8_t type_file = 1, type_directory = 2;
constexpr uint16_t file_mode = 0100644, program_mode = 0100755, directory_mode = 040755;
constexpr size_t dirent_bytes = 12;

uint64_t round_up(uint64_t value, uint64_t to) {
  return (value + to - 1) / to * to;
}

struct Name {
  std::string_view name;
  size_t node;
};

struct Node {
  const Entry* entry = nullptr;  // null for the root
  bool is_directory = true;
  size_t parent = 0;
  std::vector<Name> children;
  uint64_t number = 0;  // of the inode
  uint64_t inode_bytes = 0;
  uint64_t size = 0;
  uint64_t links = 1;
  uint32_t first_block = 0;          // of a directory's data
  std::vector<size_t> block_begins;  // of a directory: the child each block begins with
};

class Builder {
 public:
  explicit Builder(const ErofsInput& input) : in_{input} {}

  Result<std::string> build() {
    if (in_.blocks_file_bytes / limits::page_bytes > UINT32_MAX)
      return Error{Errc::invalid, "the dataset cannot be mounted",
                   fmt::format("{} bytes of blocks; the kernel's format ends at 16 TiB",
                               in_.blocks_file_bytes),
                   "read it through the record reader, or push it as several datasets"};
    make_tree();
    for (auto& node : nodes_)
      if (node.is_directory) lay_out_directory(node);
    place();
    write_superblock();
    for (const auto& node : nodes_) {
      write_inode(node);
      if (node.is_directory) write_directory(node);
    }
    return std::move(image_);
  }

 private:
  void make_tree();
  static void lay_out_directory(Node& node);
  void place();
  void write_superblock();
  void write_inode(const Node& node);
  void write_chunks(const Node& node, uint64_t at);
  void write_directory(const Node& node);
  bool is_extended(const Node& node) const {
    return node.size > UINT32_MAX || node.links > UINT16_MAX;
  }
  static bool is_inline(const Node& node) {
    return !node.is_directory && node.size > 0 && node.entry->content.is_tight();
  }
  static bool is_chunked(const Node& node) {
    return !node.is_directory && node.size > 0 && !node.entry->content.is_tight();
  }
  /// One index a piece; the last one may be shorter, and so may the only one.
  uint64_t chunk_bytes(const Node& node) const {
    const auto& manifest = in_.manifest;
    if (manifest.piece_count(node.entry->content) > 1) return manifest.block_bytes();
    return std::bit_ceil(round_up(node.size, limits::page_bytes));
  }
  void put(uint64_t at, const ByteWriter& writer) {
    std::copy(writer.bytes().begin(), writer.bytes().end(),
              image_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  uint64_t address(const Node& node) const {
    return metadata_block * limits::page_bytes + node.number * slot_bytes;
  }

  const ErofsInput& in_;
  std::vector<Node> nodes_;  // the root first: its number has 16 bits
  std::string image_;
};

void Builder::make_tree() {
  const auto& entries = in_.manifest.entries;
  nodes_.resize(entries.size() + 1);
  std::unordered_map<std::string_view, size_t> folders{{"", 0}};
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[i];
    auto& node = nodes_[i + 1];
    node.entry = &entry;
    node.is_directory = entry.is_directory;
    node.parent = folders.at(parent_of(entry.path));
    node.size = entry.content.size;
    if (entry.is_directory) folders.emplace(entry.path, i + 1);
    nodes_[node.parent].children.push_back({name_of(entry.path), i + 1});
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    auto& node = nodes_[i];
    if (!node.is_directory) continue;
    node.links = 2;
    for (const auto& child : node.children) node.links += nodes_[child.node].is_directory ? 1 : 0;
    node.children.push_back({".", i});
    node.children.push_back({"..", node.parent});
    // string_view compares bytes as unsigned characters, as the kernel's search does.
    std::sort(node.children.begin(), node.children.end(),
              [](const Name& a, const Name& b) { return a.name < b.name; });
  }
}

void Builder::lay_out_directory(Node& node) {
  size_t used = limits::page_bytes;
  for (size_t i = 0; i < node.children.size(); ++i) {
    auto bytes = dirent_bytes + node.children[i].name.size();
    if (used + bytes > limits::page_bytes) {
      node.block_begins.push_back(i);
      used = 0;
    }
    used += bytes;
  }
  node.size = (node.block_begins.size() - 1) * limits::page_bytes + used;
}

/// Inodes one behind the other, then the blocks of directories.
void Builder::place() {
  uint64_t at = 0;
  for (auto& node : nodes_) {
    bool extended = is_extended(node);
    // Kernels before 6.0 want the fixed part of an inode inside one block.
    at = round_up(at, extended ? 2 * slot_bytes : slot_bytes);
    node.inode_bytes = extended ? 64 : 32;
    if (is_inline(node)) {
      // The bytes follow the inode, in the same block.
      node.inode_bytes += node.size;
      if (at % limits::page_bytes + node.inode_bytes > limits::page_bytes)
        at = round_up(at, limits::page_bytes);
    }
    node.number = at / slot_bytes;
    if (is_chunked(node))
      node.inode_bytes += 8 * uint64_t{in_.manifest.piece_count(node.entry->content)};
    at += node.inode_bytes;
  }
  auto block = metadata_block + round_up(at, limits::page_bytes) / limits::page_bytes;
  for (auto& node : nodes_) {
    if (!node.is_directory) continue;
    node.first_block = static_cast<uint32_t>(block);
    block += node.block_begins.size();
  }
  image_.assign(block * limits::page_bytes, '\0');
}

void Builder::write_superblock() {
  ByteWriter writer;
  writer.u32(magic);
  writer.u32(0);  // no checksum: feature_compat says nothing of one
  writer.u32(0);
  writer.u8(block_bits);
  writer.u8(0);
  writer.u16(static_cast<uint16_t>(nodes_[0].number));
  writer.u64(nodes_.size());
  writer.u64(0);  // all times are 0: a version has none
  writer.u32(0);
  writer.u32(static_cast<uint32_t>(image_.size() / limits::page_bytes));
  writer.u32(metadata_block);
  writer.u32(0);  // no shared attributes
  writer.text(in_.version.view().substr(0, 16));
  writer.text(std::string(16, '\0'));  // no name
  writer.u32(feature_chunked_file | feature_device_table);
  writer.u16(0);
  writer.u16(1);  // one device beside the image
  writer.u16(device_slot_at / 128);
  put(superblock_at, writer);
  ByteWriter slot;
  slot.text(std::string(64, '\0'));
  slot.u32(static_cast<uint32_t>(in_.blocks_file_bytes / limits::page_bytes));
  slot.u32(0);
  put(device_slot_at, slot);
}

void Builder::write_inode(const Node& node) {
  bool chunked = is_chunked(node), extended = is_extended(node);
  uint16_t layout = chunked ? layout_chunked : is_inline(node) ? layout_inline : layout_plain;
  uint16_t mode = node.is_directory        ? directory_mode
                  : node.entry->executable ? program_mode
                                           : file_mode;
  uint32_t where = node.first_block;
  if (chunked)
    where = chunk_indexes |
            static_cast<uint32_t>(std::countr_zero(chunk_bytes(node) / limits::page_bytes));
  auto number = static_cast<uint32_t>(node.number);
  ByteWriter writer;
  writer.u16(static_cast<uint16_t>(layout << 1 | (extended ? 1 : 0)));
  writer.u16(0);  // no attributes
  writer.u16(mode);
  if (extended) {
    writer.u16(0);
    writer.u64(node.size);
    writer.u32(where);
    writer.u32(number);
    writer.u32(0);  // root's
    writer.u32(0);
    writer.u64(0);  // time
    writer.u32(0);
    writer.u32(static_cast<uint32_t>(node.links));
    writer.text(std::string(16, '\0'));
  } else {
    writer.u16(static_cast<uint16_t>(node.links));
    writer.u32(static_cast<uint32_t>(node.size));
    writer.u32(0);
    writer.u32(where);
    writer.u32(number);
    writer.u16(0);
    writer.u16(0);
    writer.u32(0);
  }
  if (is_inline(node)) {
    const auto& piece = in_.manifest.pieces[node.entry->content.first_piece];
    writer.text(in_.payload(piece.block).substr(piece.offset, node.size));
  }
  put(address(node), writer);
  if (chunked) write_chunks(node, address(node) + (extended ? 64 : 32));
}

void Builder::write_chunks(const Node& node, uint64_t at) {
  const auto& manifest = in_.manifest;
  const auto& content = node.entry->content;
  ByteWriter writer;
  for (uint32_t i = 0; i < manifest.piece_count(content); ++i) {
    const auto& piece = manifest.pieces[content.first_piece + i];
    writer.u16(0);
    writer.u16(1);  // the device
    writer.u32(
        static_cast<uint32_t>(in_.payload_page(piece.block) + piece.offset / limits::page_bytes));
  }
  put(at, writer);
}

void Builder::write_directory(const Node& node) {
  for (size_t block = 0; block < node.block_begins.size(); ++block) {
    auto begin = node.block_begins[block];
    auto end =
        block + 1 < node.block_begins.size() ? node.block_begins[block + 1] : node.children.size();
    ByteWriter writer;
    size_t name_at = dirent_bytes * (end - begin);
    for (auto i = begin; i < end; ++i) {
      const auto& child = nodes_[node.children[i].node];
      writer.u64(child.number);
      writer.u16(static_cast<uint16_t>(name_at));
      writer.u8(child.is_directory ? type_directory : type_file);
      writer.u8(0);
      name_at += node.children[i].name.size();
    }
    for (auto i = begin; i < end; ++i) writer.text(node.children[i].name);
    put((node.first_block + block) * uint64_t{limits::page_bytes}, writer);
  }
}

}  // namespace

Result<std::string> erofs_image(const ErofsInput& input) {
  return Builder{input}.build();
}

}  // namespace troupe::dataset
