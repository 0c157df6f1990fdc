#include "storage/dataset/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <sys/mman.h>

namespace troupe::dataset {

namespace {

constexpr size_t lengths_at_once = 1u << 16;  // bytes of a table's lengths copied at a time

uint32_t little_endian(const char* at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

}  // namespace

Result<RecordReader> RecordReader::of_table(std::shared_ptr<const SealedFile> file,
                                            std::string_view path) {
  const auto& manifest = file->manifest();
  const auto* table = manifest.table_of(path);
  if (table == nullptr)
    return Error{Errc::not_found, fmt::format("{} has no records", path),
                 manifest.find(path) == nullptr ? "there is no such file in the dataset"
                                                : "it is a file of no kind that has any",
                 "read files whole, or push CSV, JSONL or IDX files"};
  RecordReader reader;
  reader.block_bytes_ = manifest.block_bytes();
  reader.block_mask_ = reader.block_bytes_ - 1;
  reader.block_shift_ = static_cast<unsigned>(std::countr_zero(reader.block_bytes_));
  const auto& content = manifest.entries[table->entry].content;
  for (uint32_t i = 0; i < manifest.piece_count(content); ++i)
    reader.pieces_.push_back(file->piece(content, i).data());
  reader.first_ = table->first;
  reader.count_ = table->count;
  reader.stride_ = table->stride;
  reader.trim_ = table->trim;
  reader.about_ = table->about;
  reader.file_ = std::move(file);
  if (table->stride == 0) TROUPE_TRY(reader.load_lengths(*table));
  return reader;
}

Result<void> RecordReader::load_lengths(const Table& table) {
  const auto& manifest = file_->manifest();
  const auto& content = manifest.entries[table.entry].content;
  offsets_.reserve(count_ + 1);
  auto at = table.first;
  offsets_.push_back(at);
  std::string buffer(lengths_at_once, '\0');
  for (uint64_t done = 0; done < table.lengths.size; done += buffer.size()) {
    buffer.resize(std::min<uint64_t>(buffer.size(), table.lengths.size - done));
    file_->copy(table.lengths, done, buffer.data(), buffer.size());
    for (size_t i = 0; i < buffer.size(); i += 4)
      offsets_.push_back(at += little_endian(buffer.data() + i));
  }
  // The manifest cannot say whether the lengths fit the file: they are content.
  if (at <= content.size) return ok();
  return Error{Errc::corrupt,
               fmt::format("the records of {} cannot be read", manifest.entries[table.entry].path),
               "their lengths lead behind the end of the file", "push the data again"};
}

Result<RecordReader> RecordReader::of_files(std::shared_ptr<const SealedFile> file,
                                            std::string_view prefix) {
  const auto& manifest = file->manifest();
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  RecordReader reader;
  reader.block_bytes_ = manifest.block_bytes();
  reader.block_mask_ = reader.block_bytes_ - 1;
  reader.block_shift_ = static_cast<unsigned>(std::countr_zero(reader.block_bytes_));
  auto begin = prefix.empty() ? std::string{} : std::string{prefix} + "/";
  for (size_t i = 0; i < manifest.entries.size(); ++i) {
    const auto& entry = manifest.entries[i];
    if (entry.is_directory || !entry.path.starts_with(begin)) continue;
    reader.entries_.push_back(
        {reader.pieces_.size(), entry.content.size, static_cast<uint32_t>(i)});
    for (uint32_t piece = 0; piece < manifest.piece_count(entry.content); ++piece)
      reader.pieces_.push_back(file->piece(entry.content, piece).data());
    // So that an empty file has a place, too.
    if (entry.content.size == 0) reader.pieces_.push_back("");
  }
  if (reader.entries_.empty())
    return Error{Errc::not_found, fmt::format("there are no files below \"{}\"", prefix),
                 "the dataset has no such folder, or nothing is in it",
                 "list the dataset to see what there is"};
  reader.count_ = reader.entries_.size();
  reader.file_ = std::move(file);
  return reader;
}

const std::string& RecordReader::path(uint64_t index) const {
  return file_->manifest().entries[entries_[index].entry].path;
}

RecordReader::Extent RecordReader::row(uint64_t index) const {
  Extent extent{pieces_.data(), offsets_[index], offsets_[index + 1] - offsets_[index]};
  while (trim_ && extent.size > 0) {
    auto last = extent.offset + extent.size - 1;
    char c = pieces_[last >> block_shift_][last & block_mask_];
    if (c != '\n' && c != '\r') break;
    --extent.size;
  }
  return extent;
}

void RecordReader::copy_extent(const Extent& extent, char* to) const {
  for (uint64_t done = 0; done < extent.size;) {
    auto inside = (extent.offset + done) & block_mask_;
    auto part = std::min(extent.size - done, block_bytes_ - inside);
    std::memcpy(to + done, extent.pieces[(extent.offset + done) >> block_shift_] + inside, part);
    done += part;
  }
}

Record RecordReader::assemble(const Extent& extent) const {
  std::unique_ptr<char[]> copy{new char[extent.size]};
  copy_extent(extent, copy.get());
  return {std::move(copy), extent.size};
}

void RecordReader::copy(uint64_t index, char* to) const {
  copy_extent(extent_of(index), to);
}

void RecordReader::gather(const uint64_t* indexes, size_t count, char* to) const {
  for (size_t i = 0; i < std::min(count, prefetch_ahead); ++i) prefetch(indexes[i]);
  for (size_t i = 0; i < count; ++i) {
    if (i + prefetch_ahead < count) prefetch(indexes[i + prefetch_ahead]);
    auto extent = extent_of(indexes[i]);
    if ((extent.offset & block_mask_) + extent.size <= block_bytes_) [[likely]]
      std::memcpy(to, pointer(extent), extent.size);
    else
      copy_extent(extent, to);
    to += extent.size;
  }
}

void RecordReader::will_need(const uint64_t* indexes, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    auto extent = extent_of(indexes[i]);
    while (extent.size > 0) {
      auto part = std::min(extent.size, block_bytes_ - (extent.offset & block_mask_));
      auto begin = reinterpret_cast<uintptr_t>(pointer(extent));
      auto page = begin / limits::page_bytes * limits::page_bytes;
      ::madvise(reinterpret_cast<void*>(page), begin - page + part, MADV_WILLNEED);
      extent.offset += part;
      extent.size -= part;
    }
  }
}

}  // namespace troupe::dataset
