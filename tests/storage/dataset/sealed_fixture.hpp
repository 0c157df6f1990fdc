// A version with its blocks in memory, and ways to bring it onto a disk.
#pragma once

#include "storage/dataset/sealed_file.hpp"
#include "storage/dataset/sealed_writer.hpp"
#include "tests/storage/dataset/dataset_fixture.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace troupe::dataset {

struct Version {
  Version(Files with, uint8_t block_log2)
      : files{std::move(with)},
        manifest{pack(files, sink, {.block_log2 = block_log2, .former = nullptr})} {}

  const std::string& payload(uint32_t block) const {
    return sink.blocks.at(manifest.blocks[block].id);
  }
  std::vector<uint32_t> all_blocks() const {
    std::vector<uint32_t> blocks(manifest.blocks.size());
    std::iota(blocks.begin(), blocks.end(), 0u);
    return blocks;
  }
  /// Commits every four blocks of 64 KiB.
  std::unique_ptr<SealedWriter> begin(const std::string& dir) const {
    auto writer = SealedWriter::begin(
        dir, std::make_shared<const Manifest>(manifest),
        {.commit_bytes = std::max<uint64_t>(4 * 65536, manifest.block_bytes())});
    EXPECT_TRUE(writer) << to_string(writer.error());
    return writer ? std::move(*writer) : nullptr;
  }
  void put(SealedWriter& writer, uint32_t block) const {
    auto verified = VerifiedBlock::check(manifest, block, payload(block));
    ASSERT_TRUE(verified);
    auto stored = writer.put(*verified);
    ASSERT_TRUE(stored) << to_string(stored.error());
  }
  std::shared_ptr<const SealedFile> seal_in(const std::string& dir,
                                            std::vector<uint32_t> order = {}) const {
    auto writer = begin(dir);
    if (!writer) return nullptr;
    for (auto block : order.empty() ? all_blocks() : order) put(*writer, block);
    auto paths = writer->seal();
    EXPECT_TRUE(paths) << to_string(paths.error());
    if (!paths) return nullptr;
    auto file = SealedFile::open(paths->folder);
    EXPECT_TRUE(file) << to_string(file.error());
    return file ? *file : nullptr;
  }

  Files files;
  MemoryBlocks sink;
  Manifest manifest;
};

}  // namespace troupe::dataset
