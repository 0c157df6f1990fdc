#include "client/reader/troupe_reader.h"
#include "storage/dataset/epoch.hpp"
#include "storage/dataset/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

using troupe::Errc;
using troupe::Error;
using troupe::Result;
namespace dataset = troupe::dataset;

struct troupe_dataset {
  std::shared_ptr<const dataset::SealedFile> file;
  std::string version;
};

struct troupe_records {
  dataset::RecordReader reader;
};

struct troupe_order {
  dataset::Shard shard;
  std::string cursor;
};

namespace {

constexpr uint64_t none = UINT64_MAX;
constexpr uint64_t bytes_a_thread = 1u << 20;  // less is copied before another thread has started

struct LastError {
  Error error{Errc::invalid, "nothing has failed", "", ""};
  std::string name;
  troupe_error shown{};
};

LastError& last_error() {
  thread_local LastError last;
  return last;
}

void note(Error error) noexcept {
  last_error().error = std::move(error);
}

/// Runs `call`, which answers a Result; what failed is noted and `otherwise` answered.
template <class T, class Call>
T guarded(T otherwise, Call&& call) noexcept {
  try {
    auto result = call();
    if (result) return std::move(*result);
    note(std::move(result).error());
  } catch (const std::bad_alloc&) {
    note(Error{Errc::exhausted, "out of memory", "", ""});
  } catch (const std::exception& error) {
    note(Error{Errc::bug, "the reader failed", error.what(), "please report it"});
  }
  return otherwise;
}

Error no_record(uint64_t index, uint64_t count) {
  return {Errc::invalid, fmt::format("there is no record {}", index),
          fmt::format("{} records are numbered from 0", count), ""};
}

std::optional<Error> wrong_index(const dataset::RecordReader& reader, const uint64_t* indexes,
                                 size_t count) {
  auto size = reader.size();
  for (size_t i = 0; i < count; ++i)
    if (indexes[i] >= size) return no_record(indexes[i], size);
  return std::nullopt;
}

uint64_t total_bytes(const dataset::RecordReader& reader, const uint64_t* indexes, size_t count) {
  if (reader.stride() != 0) return reader.stride() * count;
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; ++i) bytes += reader.record_bytes(indexes[i]);
  return bytes;
}

/// In equal parts of the indexes; records that differ much in size make some threads wait.
void gather_parts(const dataset::RecordReader& reader, const uint64_t* indexes, size_t count,
                  char* to, size_t parts) {
  std::vector<std::thread> others;
  auto size = (count + parts - 1) / parts;
  size_t at = 0;
  for (; at + size < count; at += size) {
    try {
      others.emplace_back([=, &reader] { reader.gather(indexes + at, size, to); });
    } catch (const std::system_error&) {
      break;  // no more threads here: the rest is copied by this one
    }
    to += total_bytes(reader, indexes + at, size);
  }
  reader.gather(indexes + at, count - at, to);
  for (auto& thread : others) thread.join();
}

}  // namespace

unsigned troupe_reader_abi(void) {
  return TROUPE_READER_ABI;
}

const troupe_error* troupe_last_error(void) {
  auto& last = last_error();
  last.name = to_string(last.error.code);
  last.shown = {static_cast<int>(last.error.code), last.name.c_str(), last.error.what.c_str(),
                last.error.detail.c_str(), last.error.hint.c_str()};
  return &last.shown;
}

troupe_dataset* troupe_dataset_open(const char* folder) {
  return guarded<troupe_dataset*>(nullptr, [&]() -> Result<troupe_dataset*> {
    std::string path{folder};
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    auto file = dataset::SealedFile::open(path);
    if (!file) return std::move(file).error();
    auto version = to_string((*file)->version());
    return new troupe_dataset{std::move(*file), std::move(version)};
  });
}

void troupe_dataset_close(troupe_dataset* dataset) {
  delete dataset;
}

const char* troupe_dataset_version(const troupe_dataset* dataset) {
  return dataset->version.c_str();
}

void troupe_dataset_mapping(const troupe_dataset* dataset, const void** data, uint64_t* bytes) {
  auto mapping = dataset->file->mapping();
  *data = mapping.data();
  *bytes = mapping.size();
}

uint64_t troupe_dataset_tables(const troupe_dataset* dataset) {
  return dataset->file->manifest().tables.size();
}

const char* troupe_dataset_table(const troupe_dataset* dataset, uint64_t number) {
  return guarded<const char*>(nullptr, [&]() -> Result<const char*> {
    const auto& manifest = dataset->file->manifest();
    if (number >= manifest.tables.size())
      return Error{Errc::invalid, fmt::format("there is no table {}", number),
                   fmt::format("the version has {}", manifest.tables.size()), ""};
    return manifest.entries[manifest.tables[number].entry].path.c_str();
  });
}

int troupe_dataset_populate(const troupe_dataset* dataset) {
  return guarded(-1, [&]() -> Result<int> {
    TROUPE_TRY(dataset->file->populate());
    return 0;
  });
}

troupe_records* troupe_records_open_table(const troupe_dataset* dataset, const char* path) {
  return guarded<troupe_records*>(nullptr, [&]() -> Result<troupe_records*> {
    auto reader = dataset::RecordReader::of_table(dataset->file, path);
    if (!reader) return std::move(reader).error();
    return new troupe_records{std::move(*reader)};
  });
}

troupe_records* troupe_records_open_files(const troupe_dataset* dataset, const char* prefix) {
  return guarded<troupe_records*>(nullptr, [&]() -> Result<troupe_records*> {
    auto reader = dataset::RecordReader::of_files(dataset->file, prefix);
    if (!reader) return std::move(reader).error();
    return new troupe_records{std::move(*reader)};
  });
}

void troupe_records_close(troupe_records* records) {
  delete records;
}

uint64_t troupe_records_count(const troupe_records* records) {
  return records->reader.size();
}

uint64_t troupe_records_stride(const troupe_records* records) {
  return records->reader.stride();
}

const char* troupe_records_about(const troupe_records* records) {
  return records->reader.about().c_str();
}

const char* troupe_records_path(const troupe_records* records, uint64_t index) {
  return guarded<const char*>(nullptr, [&]() -> Result<const char*> {
    const auto& reader = records->reader;
    if (index >= reader.size()) return no_record(index, reader.size());
    if (!reader.is_of_files())
      return Error{Errc::invalid, "the record has no path", "it is part of a file", ""};
    return reader.path(index).c_str();
  });
}

uint64_t troupe_records_bytes(const troupe_records* records, uint64_t index) {
  return troupe_records_total(records, &index, 1);
}

uint64_t troupe_records_total(const troupe_records* records, const uint64_t* indexes,
                              size_t count) {
  return guarded(none, [&]() -> Result<uint64_t> {
    if (auto wrong = wrong_index(records->reader, indexes, count)) return *wrong;
    return total_bytes(records->reader, indexes, count);
  });
}

int troupe_records_locate(const troupe_records* records, const uint64_t* indexes, size_t count,
                          uint64_t* offsets, uint64_t* sizes) {
  return guarded(-1, [&]() -> Result<int> {
    const auto& reader = records->reader;
    if (auto wrong = wrong_index(reader, indexes, count)) return *wrong;
    const auto* base = reader.file().mapping().data();
    for (size_t i = 0; i < count; ++i) {
      const auto* place = reader.place(indexes[i]);
      sizes[i] = reader.record_bytes(indexes[i]);
      offsets[i] = place != nullptr ? static_cast<uint64_t>(place - base) : none;
      if (sizes[i] == 0) offsets[i] = 0;
    }
    return 0;
  });
}

int troupe_records_gather(const troupe_records* records, const uint64_t* indexes, size_t count,
                          void* to, uint64_t room, unsigned threads) {
  return guarded(-1, [&]() -> Result<int> {
    const auto& reader = records->reader;
    if (auto wrong = wrong_index(reader, indexes, count)) return *wrong;
    auto bytes = total_bytes(reader, indexes, count);
    if (bytes > room)
      return Error{Errc::invalid, fmt::format("{} records were not copied", count),
                   fmt::format("they have {} bytes, and there is room for {}", bytes, room), ""};
    auto parts = std::min({uint64_t{std::max(threads, 1u)}, bytes / bytes_a_thread + 1,
                           uint64_t{std::max<size_t>(count, 1)}});
    gather_parts(reader, indexes, count, static_cast<char*>(to), static_cast<size_t>(parts));
    return 0;
  });
}

int troupe_records_will_need(const troupe_records* records, const uint64_t* indexes, size_t count) {
  return guarded(-1, [&]() -> Result<int> {
    if (auto wrong = wrong_index(records->reader, indexes, count)) return *wrong;
    records->reader.will_need(indexes, count);
    return 0;
  });
}

troupe_order* troupe_order_open(uint64_t count, uint32_t rank, uint32_t ranks, int shuffle,
                                uint64_t seed, const char* cursor) {
  return guarded<troupe_order*>(nullptr, [&]() -> Result<troupe_order*> {
    dataset::Cursor from{seed, 0, 0};
    if (cursor != nullptr) {
      auto parsed = dataset::parse_cursor(cursor);
      if (!parsed) return std::move(parsed).error();
      from = *parsed;
    }
    auto shard = dataset::Shard::open({count, rank, ranks, shuffle != 0}, from);
    if (!shard) return std::move(shard).error();
    return new troupe_order{std::move(*shard), {}};
  });
}

void troupe_order_close(troupe_order* order) {
  delete order;
}

size_t troupe_order_next(troupe_order* order, uint64_t* indexes, size_t count) {
  return order->shard.next(indexes, count);
}

void troupe_order_next_epoch(troupe_order* order) {
  order->shard.next_epoch();
}

uint64_t troupe_order_epoch(const troupe_order* order) {
  return order->shard.cursor().epoch;
}

uint64_t troupe_order_left(const troupe_order* order) {
  return order->shard.left();
}

const char* troupe_order_cursor(troupe_order* order) {
  order->cursor = to_string(order->shard.cursor());
  return order->cursor.c_str();
}
