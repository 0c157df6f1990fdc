// Which pages of a blocks.mdb belong to blocks and which are LMDB's own, found by looking at the
// pages themselves. Works on damaged files, too. Any thread.
#pragma once

#include "storage/dataset/sealed_layout.hpp"

#include <functional>
#include <string>

namespace troupe::dataset {

/// A run of pages that begins as one that holds a block does.
struct BlockRun {
  uint64_t page = 0;  // of the head; the payload begins on the next one
  BlockHead head;
};

/// Calls `use` for each run in the order of the file, and `other` for each page that is in none.
/// `use` says whether the run is what it says it is; where not, its first page counts as another.
Result<void> scan_pages(int fd, uint64_t pages, const std::string& path,
                        const std::function<Result<bool>(const BlockRun&)>& use,
                        const std::function<void(uint64_t page, std::string_view bytes)>& other);

/// Of a file that was closed a moment ago.
Result<Seal> seal_of(const std::string& path);

}  // namespace troupe::dataset
