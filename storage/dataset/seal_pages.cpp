#include "storage/dataset/seal_pages.hpp"

#include "runtime/core/fd.hpp"
#include "storage/lmdb_pages.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

Result<void> scan_pages(int fd, uint64_t pages, const std::string& path,
                        const std::function<Result<bool>(const BlockRun&)>& use,
                        const std::function<void(uint64_t, std::string_view)>& other) {
  std::string page(limits::page_bytes, '\0');
  for (uint64_t number = 0; number < pages;) {
    auto n = ::pread(fd, page.data(), page.size(), static_cast<off_t>(number * page.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(page.size()))
      return errno_error(n < 0 ? errno : EIO, fmt::format("{} cannot be read", path));
    storage::PageHeader header;
    std::memcpy(&header, page.data(), sizeof header);
    auto head = head_from(std::string_view{page}.substr(sizeof header));
    bool is_run = head && header.number == number && header.flags == storage::lmdb_overflow_flag &&
                  header.bounds == head->pages + 1 && header.bounds <= pages - number;
    if (is_run) {
      auto good = use({number, *head});
      if (!good) return std::move(good).error();
      is_run = *good;
    }
    if (!is_run) other(number, page);
    number += is_run ? header.bounds : 1;
  }
  return ok();
}

Result<Seal> seal_of(const std::string& path) {
  auto fd = open_file(path, O_RDONLY);
  if (!fd) return std::move(fd).error();
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    return errno_error(errno, fmt::format("{} cannot be read", path));
  Seal seal;
  seal.pages = static_cast<uint64_t>(info.st_size) / limits::page_bytes;
  std::string tree;
  TROUPE_TRY(scan_pages(
      fd->get(), seal.pages, path, [](const BlockRun&) -> Result<bool> { return true; },
      [&](uint64_t page, std::string_view bytes) {
        seal.tree_pages.push_back(page);
        tree += bytes;
      }));
  seal.tree_id = content_id_of(tree);
  return seal;
}

}  // namespace troupe::dataset
