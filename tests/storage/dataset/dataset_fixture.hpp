// What tests of datasets share: blocks in memory, versions packed from a few names, random bytes.
#pragma once

#include "storage/dataset/block_store.hpp"
#include "storage/dataset/manifest.hpp"
#include "storage/dataset/packer.hpp"
#include "tests/temp_dir.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace troupe::dataset {

class MemoryBlocks final : public BlockSink {
 public:
  Result<void> put(const ContentId& id, std::string_view payload) override {
    EXPECT_EQ(content_id_of(payload), id);
    EXPECT_TRUE(blocks.emplace(id, payload).second) << "a block was handed out twice";
    return ok();
  }
  std::map<ContentId, std::string> blocks;
};

inline std::string random_text(uint64_t seed, size_t bytes) {
  std::mt19937_64 random{seed};
  std::string text(bytes, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

using Files = std::map<std::string, std::string>;

inline Manifest pack(const Files& files, BlockSink& sink, PackOptions options = {}) {
  Packer packer{options, sink};
  for (const auto& [path, bytes] : files) {
    EXPECT_TRUE(packer.begin_file(path, path.ends_with(".sh")));
    EXPECT_TRUE(packer.write(bytes));
    EXPECT_TRUE(packer.end_file());
  }
  auto manifest = packer.finish();
  EXPECT_TRUE(manifest) << to_string(manifest.error());
  return *manifest;
}

/// The bytes of a content, put together from blocks.
template <class Blocks>
std::string bytes_in(const Manifest& manifest, const Content& content, const Blocks& blocks) {
  std::string bytes;
  for (uint32_t i = 0; i < manifest.piece_count(content); ++i) {
    auto piece = manifest.pieces.at(content.first_piece + i);
    bytes += blocks.at(manifest.blocks.at(piece.block).id)
                 .substr(piece.offset, manifest.piece_bytes(content, i));
  }
  return bytes;
}

/// Sizes around every border, folders in folders, a folder with many files, the same bytes twice.
inline Files odd_files(size_t block_bytes) {
  Files files{{"empty", ""}, {"a", "a"}, {"deep/er/est/file", "x"}, {"run.sh", "#!/bin/sh\n"}};
  uint64_t seed = 1;
  for (size_t size : {size_t{4095}, size_t{4096}, size_t{4097}, block_bytes - 1, block_bytes,
                      block_bytes + 1, 3 * block_bytes, 3 * block_bytes + 5000})
    files["sizes/" + std::to_string(size)] = random_text(++seed, size);
  files["same"] = files["sizes/4097"];
  files["same-large"] = files["sizes/" + std::to_string(3 * block_bytes + 5000)];
  for (int i = 0; i < 500; ++i)
    files["many/" + std::to_string(i)] = random_text(1000 + static_cast<uint64_t>(i), i * 7 % 900);
  files["many-"] = "sorts between many and what is in it";
  return files;
}

}  // namespace troupe::dataset
