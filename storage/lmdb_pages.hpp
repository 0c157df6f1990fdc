// The parts of LMDB's file format (0.9, 64-bit machines) that we look at ourselves, so that a
// damaged file is noticed before LMDB trusts it. Plain structs.
#pragma once

#include <cstdint>

namespace troupe::storage {

inline constexpr uint32_t lmdb_magic = 0xBEEFC0DE;
inline constexpr uint16_t lmdb_overflow_flag = 0x04;

/// The beginning of every page, and of every run of pages that holds one large value.
struct PageHeader {
  uint64_t number;
  uint16_t pad, flags;
  uint32_t bounds;  // of a run: how many pages it has
};
static_assert(sizeof(PageHeader) == 16);

/// The leading part of a meta page. There are two of them, at the beginning of the file; the one
/// with the larger `txn` holds.
struct MetaPage {
  PageHeader header;
  uint32_t magic, version;
  uint64_t address, map_size;
  struct {
    uint32_t page_size;
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
  } tables[2];
  uint64_t last_page, txn;
};

}  // namespace troupe::storage
