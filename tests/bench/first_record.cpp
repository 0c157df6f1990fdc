// Appends to the file it is given how long a job waits for its first record, in nanoseconds from
// its first instruction: FILE DATASET.
#include "client/cpp/job_data.hpp"

#include <chrono>
#include <cstdio>

int main(int argc, char** argv) {
  auto began = std::chrono::steady_clock::now();
  if (argc != 3) return 2;
  auto file = troupe::job::open_dataset(argv[2]);
  if (!file) {
    std::fprintf(stderr, "%s\n", to_string(file.error()).c_str());
    return 1;
  }
  auto records = troupe::dataset::RecordReader::of_files(*file);
  if (!records) {
    std::fprintf(stderr, "%s\n", to_string(records.error()).c_str());
    return 1;
  }
  uint64_t bytes = 0;
  uint64_t first = 0;
  records->visit(&first, 1, [&](std::string_view record) {
    for (unsigned char byte : record) bytes += byte;  // really read
  });
  auto passed = std::chrono::steady_clock::now() - began;
  auto* out = std::fopen(argv[1], "a");
  if (out == nullptr || bytes == 0) return 1;
  std::fprintf(
      out, "%ld\n",
      static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count()));
  return std::fclose(out) == 0 ? 0 : 1;
}
