// What the benches of datasets share: versions on a disk of their own making, cold caches, loops
// that touch every byte.
#pragma once

#include "storage/dataset/block_store.hpp"
#include "storage/dataset/import.hpp"
#include "storage/dataset/sealed_file.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::bench {

/// Ends the program where something failed: a bench has nothing to say then.
template <class T>
T must(Result<T> result) {
  return std::move(result).value();
}
inline void must(Result<void> result) {
  if (!result) must(Result<int>{result.error()});
}

std::string random_bytes_of(uint64_t seed, size_t count);
/// Every byte of it goes into the sum.
uint64_t sum_of(std::string_view bytes);
/// So that nothing is optimised away.
void keep(uint64_t value);
/// A permutation of [0, count).
std::vector<uint32_t> shuffled(uint32_t count);

/// Imports a path into a store and seals it below `dir`.
std::shared_ptr<const dataset::SealedFile> sealed_from(const std::string& source,
                                                       const std::string& dir,
                                                       const dataset::ImportOptions& options = {});
/// Empties the page cache and those of names and inodes. False without the right to.
bool drop_caches();
/// Empties the page cache of one file, as far as nobody has it mapped.
void forget_pages(const std::string& path);
/// Calls per second of `once`, over at least so many seconds.
double rate_of(double seconds, const std::function<uint64_t()>& once);
/// Opens, reads and closes files in this order, from so many threads; files per second.
double open_read_close(const std::string& root, const std::vector<std::string>& names,
                       unsigned threads, int rounds);
/// The folder with the four IDX files of MNIST, packed; TROUPE_MNIST says where.
std::string mnist_folder();
/// So many of its training images as PNG files below `dir`; empty where MNIST or python3 is not
/// here.
std::string write_mnist_images(const std::string& dir, int count);
/// Of all files below it, on disk.
uint64_t disk_bytes(const std::string& root);

}  // namespace troupe::bench
