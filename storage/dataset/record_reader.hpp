// Random access to the records of a version on this node, without copying: rows and items of a
// table, or whole files. What get() gives points into the page cache and stays good as long as the
// reader (or the SealedFile) does. After open() everything is const: any number of threads.
#pragma once

#include "storage/dataset/sealed_file.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

/// One record. Where its bytes lie in two blocks it carries a copy of its own; else it is a
/// pointer.
class Record {
 public:
  explicit Record(std::string_view bytes) : bytes_{bytes} {}
  Record(std::unique_ptr<char[]> copy, size_t size)
      : bytes_{copy.get(), size}, copy_{std::move(copy)} {}
  std::string_view bytes() const { return bytes_; }
  const char* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool is_copy() const { return copy_ != nullptr; }

 private:
  std::string_view bytes_;
  std::unique_ptr<char[]> copy_;
};

class RecordReader {
 public:
  /// The records of the file `path`. not_found where it has no table. For rows of different lengths
  /// 8 bytes a record are kept in memory; for items of one length nothing.
  static Result<RecordReader> of_table(std::shared_ptr<const SealedFile> file,
                                       std::string_view path);
  /// Each file below the folder `prefix` (empty: all), in the order of paths, is a record.
  static Result<RecordReader> of_files(std::shared_ptr<const SealedFile> file,
                                       std::string_view prefix = {});

  uint64_t size() const { return count_; }
  /// Bytes of every record; 0 where they differ.
  uint64_t stride() const { return stride_; }
  /// JSON of the table; "{}" for files.
  const std::string& about() const { return about_; }
  bool is_of_files() const { return !entries_.empty(); }
  /// Of a reader of files.
  const std::string& path(uint64_t index) const;

  /// `index` < size().
  Record get(uint64_t index) const {
    auto extent = extent_of(index);
    if ((extent.offset & block_mask_) + extent.size <= block_bytes_) [[likely]]
      return Record{{pointer(extent), extent.size}};
    return assemble(extent);
  }
  uint64_t record_bytes(uint64_t index) const { return extent_of(index).size; }
  /// Where a record begins in the file's mapping; null where it lies in two blocks or has no bytes.
  const char* place(uint64_t index) const {
    auto extent = extent_of(index);
    bool whole = (extent.offset & block_mask_) + extent.size <= block_bytes_;
    return whole && extent.size > 0 ? pointer(extent) : nullptr;
  }
  /// Copies a record to `to`, which has room for record_bytes(index).
  void copy(uint64_t index, char* to) const;
  /// Asks the processor for the first KiB of a record that get() will be asked for soon: some ten
  /// records ahead hides what memory costs.
  void prefetch(uint64_t index) const {
    auto extent = extent_of(index);
    if (extent.size == 0) return;
    const char* at = pointer(extent);
    auto room = block_bytes_ - (extent.offset & block_mask_);
    auto bytes = std::min({extent.size, room, prefetch_bytes_max});
    for (uint64_t i = 0; i < bytes; i += cache_line_bytes) __builtin_prefetch(at + i);
    // Else g++ finds that nothing comes of this function, and leaves out calls of it.
    asm volatile("" : : "r"(at));
  }
  /// Calls visit(std::string_view) with each of these records, in this order, and prefetches those
  /// that come next: the fastest way through records that lie anywhere.
  template <class Visit>
  void visit(const uint64_t* indexes, size_t count, Visit&& visit) const {
    for (size_t i = 0; i < std::min(count, prefetch_ahead); ++i) prefetch(indexes[i]);
    for (size_t i = 0; i < count; ++i) {
      if (i + prefetch_ahead < count) prefetch(indexes[i + prefetch_ahead]);
      auto extent = extent_of(indexes[i]);
      if ((extent.offset & block_mask_) + extent.size <= block_bytes_) [[likely]]
        visit(std::string_view{pointer(extent), extent.size});
      else
        visit(assemble(extent).bytes());
    }
  }
  /// Copies these records to `to`, one behind the other; it has room for all their bytes.
  void gather(const uint64_t* indexes, size_t count, char* to) const;
  /// Asks the kernel for the records' pages, without waiting: for what will be read in some
  /// milliseconds from a file that is not in memory.
  void will_need(const uint64_t* indexes, size_t count) const;
  /// Brings all of the version into memory and waits for it.
  Result<void> populate() const { return file_->populate(); }
  const SealedFile& file() const { return *file_; }

 private:
  static constexpr uint64_t prefetch_bytes_max = 1024;  // behind it the processor sees the pattern
  static constexpr uint64_t cache_line_bytes = 64;
  static constexpr size_t prefetch_ahead =
      4;  // more gains nothing, and each first few come unannounced
  struct Extent {
    const char* const* pieces;
    uint64_t offset;  // in the content whose pieces these are
    uint64_t size;
  };
  RecordReader() = default;
  Result<void> load_lengths(const Table& table);
  Extent extent_of(uint64_t index) const {
    if (stride_ != 0) return {pieces_.data(), first_ + index * stride_, stride_};
    if (entries_.empty()) return row(index);
    const auto& entry = entries_[index];
    return {pieces_.data() + entry.first_piece, 0, entry.size};
  }
  Extent row(uint64_t index) const;
  const char* pointer(const Extent& extent) const {
    return extent.pieces[extent.offset >> block_shift_] + (extent.offset & block_mask_);
  }
  Record assemble(const Extent& extent) const;
  void copy_extent(const Extent& extent, char* to) const;

  struct FileExtent {
    uint64_t first_piece;  // in pieces_
    uint64_t size;
    uint32_t entry;  // in the manifest
  };
  std::shared_ptr<const SealedFile> file_;
  std::vector<const char*> pieces_;  // where each piece begins
  std::vector<FileExtent> entries_;  // of a reader of files
  std::vector<uint64_t> offsets_;    // of rows: where each begins, and where the last one ends
  uint64_t first_ = 0, count_ = 0, stride_ = 0, block_bytes_ = 1, block_mask_ = 0;
  unsigned block_shift_ = 0;
  bool trim_ = false;
  std::string about_ = "{}";
};

}  // namespace troupe::dataset
