// Every limit of dataset versions with the reason for its value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::dataset::limits {

/// The unit of placement: what the kernel maps and what LMDB calls a page.
inline constexpr uint32_t page_bytes = 4096;
/// Of a block by default, in pages as a power of two: 1 MiB. The head of a block costs one page
/// more (0.4 %), and a page cache filled by such writes is made of large folios.
inline constexpr uint8_t block_log2_default = 8;
/// Contents up to this size lie closely one behind the other in blocks, and the image for mounts
/// has a copy of them. Two inodes with so many bytes fit into a page, so that both places together
/// take no more than a page of their own would.
inline constexpr uint64_t tight_bytes_max = 1984;
/// What tight contents begin on: records of numbers can be read where they lie.
inline constexpr uint64_t tight_alignment = 8;
/// 64 MiB: values of 2.2 GB make LMDB's commits fail, and a block is sent again as a whole.
inline constexpr uint8_t block_log2_max = 14;
inline constexpr size_t entries_max = 4'000'000;
/// 4 million entries with ordinary names; parsing takes about four times this.
inline constexpr size_t manifest_bytes_max = 512u << 20;
/// Linux's PATH_MAX, with half of it left for the folder that a version is mounted on.
inline constexpr size_t path_bytes_max = 2048;
inline constexpr size_t name_bytes_max = 255;  // Linux's NAME_MAX
inline constexpr size_t tables_max = 10'000;
inline constexpr size_t about_bytes_max = 1u << 20;  // 20,000 columns with long names
/// Of a version: 1 PiB, far below where sums of sizes could overflow.
inline constexpr uint64_t bytes_max = 1ull << 50;
/// Of one record: positions inside it have 32 bits, and readers may have to copy it.
inline constexpr uint64_t record_bytes_max = 1u << 30;

}  // namespace troupe::dataset::limits
