#include "storage/output_tree.hpp"

#include "storage/beneath.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

constexpr size_t depth_max = 64;  // folders below each other that a listing looks into
constexpr size_t path_bytes_max = 4096;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

struct Walk {
  OutputListing listing;
  size_t count_max;
};

Timestamp modified_at(const struct stat& info) {
  return {int64_t{info.st_mtim.tv_sec} * 1'000'000 + info.st_mtim.tv_nsec / 1000};
}

std::string link_target(int folder, const char* name) {
  std::string target(path_bytes_max, '\0');
  auto size = ::readlinkat(folder, name, target.data(), target.size());
  target.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return target;
}

/// What vanishes while the job works on it is left out, not an error.
void walk(UniqueFd folder, const std::string& prefix, size_t depth, Walk& state) {
  std::unique_ptr<DIR, CloseDir> dir{::fdopendir(folder.get())};
  if (!dir) return;
  int fd = folder.release();
  while (auto* entry = ::readdir(dir.get())) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    auto path = prefix + name;
    if (S_ISDIR(info.st_mode)) {
      UniqueFd below{::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
      if (depth >= depth_max || path.size() >= path_bytes_max)
        state.listing.complete = false;
      else if (below)
        walk(std::move(below), path + "/", depth + 1, state);
    } else if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) {
      if (state.listing.files.size() >= state.count_max) {
        state.listing.complete = false;
        return;
      }
      bool is_link = S_ISLNK(info.st_mode);
      auto size = is_link ? 0 : static_cast<uint64_t>(info.st_size);
      state.listing.bytes += size;
      state.listing.files.push_back({path, size, modified_at(info), is_link,
                                     is_link ? link_target(fd, name.c_str()) : std::string{}});
    }
    if (!state.listing.complete && state.listing.files.size() >= state.count_max) return;
  }
}

}  // namespace

Result<OutputListing> list_outputs(const std::string& dir, size_t count_max) {
  auto folder = open_file(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) {
    if (folder.error().code == Errc::not_found) return OutputListing{};
    return std::move(folder).error();
  }
  Walk state{{}, count_max};
  walk(std::move(*folder), "", 0, state);
  std::sort(state.listing.files.begin(), state.listing.files.end(),
            [](const OutputFile& a, const OutputFile& b) { return a.path < b.path; });
  return std::move(state.listing);
}

Result<OutputChunk> read_output(const std::string& dir, std::string_view path, uint64_t offset,
                                uint32_t limit, Beneath how) {
  TROUPE_TRY(check_relative_path(path));
  auto folder = open_file(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return std::move(folder).error();
  // Not blocking: a pipe among the outputs must not hold us.
  auto file = open_beneath(folder->get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY, how);
  if (!file) return std::move(file).error();
  auto what = fmt::format("output {} cannot be read", path);
  struct stat info {};
  if (::fstat(file->get(), &info) != 0) return errno_error(errno, what);
  if (!S_ISREG(info.st_mode))
    return Error{Errc::refused, what, "it is no regular file", "name a file; list them first"};
  OutputChunk chunk;
  chunk.size = static_cast<uint64_t>(info.st_size);
  if (offset >= chunk.size) return chunk;
  chunk.bytes.resize(std::min<uint64_t>(limit, chunk.size - offset));
  size_t done = 0;
  while (done < chunk.bytes.size()) {
    auto n = ::pread(file->get(), chunk.bytes.data() + done, chunk.bytes.size() - done,
                     static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, what);
    if (n == 0) break;  // it became shorter meanwhile
    done += static_cast<size_t>(n);
  }
  chunk.bytes.resize(done);
  return chunk;
}

}  // namespace troupe::storage
