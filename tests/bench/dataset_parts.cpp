#include "tests/bench/dataset_parts.hpp"

#include "runtime/core/fd.hpp"
#include "tests/bench/cluster_under_test.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace troupe::bench {

std::string random_bytes_of(uint64_t seed, size_t count) {
  std::mt19937_64 random{seed};
  std::string bytes(count, '\0');
  for (size_t i = 0; i + 8 <= count; i += 8) {
    auto value = random();
    std::memcpy(bytes.data() + i, &value, 8);
  }
  return bytes;
}

uint64_t sum_of(std::string_view bytes) {
  // As wide as memcpy's loads: with narrow ones the processor sees too few cache misses at a time.
  using Words = uint64_t __attribute__((vector_size(16)));
  Words sums[4]{}, words[4];
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  for (; end - at >= 64; at += 64) {
    std::memcpy(words, at, 64);
    for (int i = 0; i < 4; ++i) sums[i] += words[i];
  }
  auto all = sums[0] + sums[1] + sums[2] + sums[3];
  uint64_t sum = all[0] + all[1];
  for (; at < end; ++at) sum += static_cast<unsigned char>(*at);
  return sum;
}

void keep(uint64_t value) {
  static std::atomic<uint64_t> kept{0};
  kept.fetch_add(value, std::memory_order_relaxed);
}

std::vector<uint32_t> shuffled(uint32_t count) {
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937{7});
  return order;
}

std::shared_ptr<const dataset::SealedFile> sealed_from(const std::string& source,
                                                       const std::string& dir,
                                                       const dataset::ImportOptions& options) {
  must(make_dirs(dir));
  auto store = must(dataset::BlockStore::open(dir));
  dataset::StoreSink sink{store};
  auto imported = must(dataset::import_path(source, options, sink));
  auto manifest = std::make_shared<const dataset::Manifest>(std::move(imported.manifest));
  auto writer = must(dataset::SealedWriter::begin(dir, manifest));
  must(dataset::fill(*writer, [&](uint32_t block, char* to) {
    const auto& wanted = manifest->blocks[block];
    return store.read(wanted.id, 0, to, wanted.bytes());
  }));
  auto paths = must(writer->seal());
  must(remove_tree(dir + "/blocks"));
  return must(dataset::SealedFile::open(paths.folder));
}

bool drop_caches() {
  ::sync();
  auto fd = open_file("/proc/sys/vm/drop_caches", O_WRONLY);
  return fd && write_all(fd->get(), "3");
}

void forget_pages(const std::string& path) {
  auto fd = must(open_file(path, O_RDONLY));
  ::fsync(fd.get());
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

double rate_of(double seconds, const std::function<uint64_t()>& once) {
  auto began = now_seconds();
  uint64_t done = 0;
  double passed = 0;
  do {
    done += once();
    passed = now_seconds() - began;
  } while (passed < seconds);
  return static_cast<double>(done) / passed;
}

double open_read_close(const std::string& root, const std::vector<std::string>& names,
                       unsigned threads, int rounds) {
  auto dir = must(open_file(root, O_RDONLY | O_DIRECTORY));
  auto work = [&](size_t first) {
    std::string buffer(64u << 10, '\0');
    uint64_t sum = 0;
    for (int round = 0; round < rounds; ++round)
      for (size_t i = first; i < names.size(); i += threads) {
        int fd = ::openat(dir.get(), names[i].c_str(), O_RDONLY | O_CLOEXEC);
        auto n = ::read(fd, buffer.data(), buffer.size());
        if (n < 0) std::exit(1);
        sum += sum_of({buffer.data(), static_cast<size_t>(n)});
        ::close(fd);
      }
    keep(sum);
  };
  auto began = now_seconds();
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (auto& thread : others) thread.join();
  return static_cast<double>(names.size()) * rounds / (now_seconds() - began);
}

std::string mnist_folder() {
  const char* given = std::getenv("TROUPE_MNIST");
  return given == nullptr ? "/work/shared/data/mnist" : given;
}

std::string write_mnist_images(const std::string& dir, int count) {
  auto command = fmt::format("python3 {}/tests/bench/mnist_png.py {} {}/png {} 2>&1", TROUPE_SOURCE,
                             mnist_folder(), dir, count);
  return std::system(command.c_str()) == 0 ? dir + "/png" : std::string{};
}

uint64_t disk_bytes(const std::string& root) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{root}) {
    struct stat info {};
    if (::lstat(entry.path().c_str(), &info) == 0)
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace troupe::bench
