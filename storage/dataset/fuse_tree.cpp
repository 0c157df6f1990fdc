#include "storage/dataset/fuse_tree.hpp"

#include <algorithm>
#include <sys/stat.h>
#include <utility>

namespace troupe::dataset {

namespace {

std::string_view name_in(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

FuseTree::FuseTree(std::shared_ptr<const SealedFile> file) : file_{std::move(file)} {
  const auto& entries = file_->manifest().entries;
  parents_.resize(entries.size());
  std::vector<uint32_t> counts(entries.size() + 2, 0);
  for (size_t i = 0; i < entries.size(); ++i) {
    std::string_view path = entries[i].path;
    auto slash = path.rfind('/');
    if (slash != std::string_view::npos) {
      const auto* folder = file_->manifest().find(path.substr(0, slash));
      parents_[i] = static_cast<uint32_t>(folder - entries.data()) + 1;
    }
    ++counts[parents_[i] + 1];
  }
  for (size_t i = 1; i < counts.size(); ++i) counts[i] += counts[i - 1];
  begins_ = counts;
  children_.resize(entries.size());
  // Entries rise by path, so those of one folder come with rising names.
  for (size_t i = 0; i < entries.size(); ++i)
    children_[counts[parents_[i]]++] = static_cast<uint32_t>(i);
}

const Entry* FuseTree::entry(uint64_t node) const {
  const auto& entries = file_->manifest().entries;
  return node >= 2 && node - 2 < entries.size() ? &entries[node - 2] : nullptr;
}

bool FuseTree::is_folder(uint64_t node) const {
  const auto* one = entry(node);
  return node == FUSE_ROOT_ID || (one != nullptr && one->is_directory);
}

std::span<const uint32_t> FuseTree::children(uint64_t folder) const {
  if (!is_folder(folder)) return {};
  auto begin = begins_[folder - 1], end = begins_[folder];
  return {children_.data() + begin, end - begin};
}

std::optional<fuse_attr> FuseTree::attributes(uint64_t node) const {
  const auto* one = entry(node);
  bool folder = is_folder(node);
  if (one == nullptr && !folder) return std::nullopt;
  fuse_attr attributes{};
  attributes.ino = node;
  attributes.size = folder ? limits::page_bytes : one->content.size;
  attributes.blocks = (attributes.size + 511) / 512;
  bool runs = folder || one->executable;
  attributes.mode = (folder ? S_IFDIR : S_IFREG) | (runs ? 0755u : 0644u);
  attributes.nlink = folder ? 2 : 1;
  attributes.blksize = limits::page_bytes;
  return attributes;
}

uint64_t FuseTree::lookup(uint64_t folder, std::string_view name) const {
  const auto& entries = file_->manifest().entries;
  auto all = children(folder);
  auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [&](uint32_t i, std::string_view wanted) { return name_in(entries[i].path) < wanted; });
  return found != all.end() && name_in(entries[*found].path) == name ? *found + 2u : 0;
}

bool FuseTree::extents(uint64_t node, uint64_t offset, uint64_t size,
                       std::vector<iovec>& to) const {
  const auto* one = entry(node);
  if (one == nullptr || one->is_directory) return false;
  const auto& content = one->content;
  auto block_bytes = file_->manifest().block_bytes();
  for (auto end = offset + std::min(size, content.size - std::min(offset, content.size));
       offset < end;) {
    auto piece = file_->piece(content, static_cast<uint32_t>(offset / block_bytes));
    auto part = piece.substr(offset % block_bytes, end - offset);
    to.push_back({const_cast<char*>(part.data()), part.size()});
    offset += part.size();
  }
  return true;
}

std::optional<FuseTree::Child> FuseTree::child(uint64_t folder, uint64_t first) const {
  if (first == 0) return Child{folder, ".", true};
  const auto& entries = file_->manifest().entries;
  if (first == 1) {
    auto parent = folder == FUSE_ROOT_ID ? FUSE_ROOT_ID : uint64_t{parents_[folder - 2]} + 1;
    return Child{parent, "..", true};
  }
  auto all = children(folder);
  if (first - 2 >= all.size()) return std::nullopt;
  auto index = all[first - 2];
  return Child{index + 2u, name_in(entries[index].path), entries[index].is_directory};
}

}  // namespace troupe::dataset
