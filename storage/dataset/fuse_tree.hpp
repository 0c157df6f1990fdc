// A version's files as the kernel asks for them through FUSE: numbers of nodes, names in folders,
// attributes, bytes. Built once, then const: any number of threads.
//
// Node 1 is the root, node i + 2 the entry i of the manifest.
#pragma once

#include "storage/dataset/sealed_file.hpp"

#include <cstdint>
#include <linux/fuse.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

namespace troupe::dataset {

class FuseTree {
 public:
  explicit FuseTree(std::shared_ptr<const SealedFile> file);

  /// nothing for a node that is none.
  std::optional<fuse_attr> attributes(uint64_t node) const;
  /// The node of that name in a folder; 0 where there is none.
  uint64_t lookup(uint64_t folder, std::string_view name) const;
  /// Appends where the bytes of a file lie, from `offset` on, at most `size` and to its end; how
  /// many they are. False where the node is no file.
  bool extents(uint64_t node, uint64_t offset, uint64_t size, std::vector<iovec>& to) const;

  struct Child {
    uint64_t node;
    std::string_view name;
    bool is_directory;
  };
  /// "." and "..", then what is in the folder, from the `first`th on; nothing where it ends.
  std::optional<Child> child(uint64_t folder, uint64_t first) const;
  bool is_folder(uint64_t node) const;
  uint64_t nodes() const { return parents_.size() + 1; }
  uint64_t file_bytes() const { return file_->manifest().file_bytes(); }

 private:
  const Entry* entry(uint64_t node) const;
  std::span<const uint32_t> children(uint64_t folder) const;

  std::shared_ptr<const SealedFile> file_;
  std::vector<uint32_t> parents_;   // of each entry: its folder's node - 1, the root's is 0
  std::vector<uint32_t> begins_;    // by node - 1: where its children begin in children_
  std::vector<uint32_t> children_;  // entries, folder by folder, names rising
};

}  // namespace troupe::dataset
