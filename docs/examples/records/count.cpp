// Counts the records of a table and the bytes in them, one epoch, this rank's share:
//   count DATASET TABLE
// In a job of two ranks each prints its half.
#include "client/cpp/job_data.hpp"

#include <cstdio>
#include <vector>

namespace {

troupe::Result<void> count(const char* dataset, const char* table) {
  auto file = troupe::job::open_dataset(dataset);
  if (!file) return std::move(file).error();
  auto records = troupe::dataset::RecordReader::of_table(*file, table);
  if (!records) return std::move(records).error();
  auto share = troupe::job::open_shard(records->size(), 1);
  if (!share) return std::move(share).error();
  uint64_t seen = 0, bytes = 0;
  std::vector<uint64_t> indexes(1024);
  while (auto some = share->next(indexes.data(), indexes.size())) {
    records->visit(indexes.data(), some, [&](std::string_view record) {
      ++seen;
      bytes += record.size();
    });
  }
  std::printf("%lu of %lu records, %lu bytes\n", seen, records->size(), bytes);
  return troupe::ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: count DATASET TABLE\n");
    return 2;
  }
  auto counted = count(argv[1], argv[2]);
  if (!counted) std::fprintf(stderr, "%s\n", to_string(counted.error()).c_str());
  return counted ? 0 : 1;
}
