// The kernel's view of a version's files: a read-only EROFS image that holds names, sizes and the
// bytes of small files, and points into blocks.mdb for all others. Written by ourselves, so that
// equal versions that lie equally give equal images. Pure; any thread.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::dataset {

struct ErofsInput {
  const Manifest& manifest;
  /// The page of blocks.mdb on which the payload of a block begins.
  std::function<uint64_t(uint32_t block)> payload_page;
  /// The payload itself.
  std::function<std::string_view(uint32_t block)> payload;
  uint64_t blocks_file_bytes = 0;
  ContentId version;  // its first 16 bytes become the image's uuid
};

/// invalid where blocks.mdb has more than the 16 TiB that an image can point into.
Result<std::string> erofs_image(const ErofsInput& input);

}  // namespace troupe::dataset
