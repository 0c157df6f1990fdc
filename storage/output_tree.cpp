#include "storage/output_tree.hpp"

#include "storage/beneath.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <iterator>
#include <map>
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
  const std::string& after;
  size_t count_max;
  std::map<std::string, OutputFile> first;  // by path: the lowest so far
  bool more = false, complete = true;

  bool wants(const std::string& path) {
    if (path <= after) return false;
    if (first.size() < count_max || (!first.empty() && path < first.rbegin()->first)) return true;
    more = true;
    return false;
  }
  void keep(OutputFile file) {
    auto path = file.path;
    first.insert_or_assign(std::move(path), std::move(file));
    if (first.size() <= count_max) return;
    first.erase(std::prev(first.end()));
    more = true;
  }
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
    auto path = prefix + name;
    // Most file systems say what a thing is without a look at the thing itself.
    bool may_be_folder = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
    if (!may_be_folder && !state.wants(path)) continue;
    struct stat info {};
    if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      UniqueFd below{::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
      if (depth >= depth_max || path.size() >= path_bytes_max)
        state.complete = false;
      else if (below)
        walk(std::move(below), path + "/", depth + 1, state);
    } else if ((S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) && state.wants(path)) {
      bool is_link = S_ISLNK(info.st_mode);
      auto size = is_link ? 0 : static_cast<uint64_t>(info.st_size);
      state.keep({path, size, modified_at(info), is_link,
                  is_link ? link_target(fd, name.c_str()) : std::string{}});
    }
  }
}

}  // namespace

Result<OutputListing> list_outputs(const std::string& dir, const std::string& after,
                                   size_t count_max) {
  auto folder = open_file(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) {
    if (folder.error().code == Errc::not_found) return OutputListing{};
    return std::move(folder).error();
  }
  Walk state{after, count_max, {}};
  walk(std::move(*folder), "", 0, state);
  OutputListing listing;
  listing.more = state.more;
  listing.complete = state.complete;
  for (auto& [path, file] : state.first) {
    listing.bytes += file.size;
    listing.files.push_back(std::move(file));
  }
  return listing;
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
