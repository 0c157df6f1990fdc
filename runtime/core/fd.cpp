#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error(errno, fmt::format("{} could not be opened", path));
  return UniqueFd{fd};
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "a write failed");
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ok();
}

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  auto fd = open_file(path, O_RDONLY);
  if (!fd) return std::move(fd).error();
  std::string text;
  char buffer[16384];
  while (true) {
    auto n = ::read(fd->get(), buffer, sizeof buffer);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, fmt::format("{} could not be read", path));
    }
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > bytes_max)
      return Error{Errc::invalid, fmt::format("{} is too large", path),
                   fmt::format("more than {} bytes", bytes_max), "is it the right file?"};
  }
}

Result<void> replace_file(const std::string& path, std::string_view bytes, unsigned mode,
                          bool durable) {
  static std::atomic<uint64_t> counter{0};  // threads may replace the same file at once
  auto temporary = fmt::format("{}.tmp{}.{}", path, ::getpid(), ++counter);
  // One left by a crash of a process of our number would keep its mode, and the file may be secret.
  ::unlink(temporary.c_str());
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!fd) return std::move(fd).error();
  auto fail = [&](Error error) {
    ::unlink(temporary.c_str());
    error.what = fmt::format("{} could not be written", path);
    return error;
  };
  if (auto written = write_all(fd->get(), bytes); !written) return fail(written.error());
  if (durable && ::fsync(fd->get()) != 0) return fail(errno_error(errno, ""));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(errno_error(errno, ""));
  if (durable) {
    auto folder = std::filesystem::path{path}.parent_path().string();
    auto dir = open_file(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
    if (!dir) return std::move(dir).error();
    if (::fsync(dir->get()) != 0)
      return errno_error(errno, fmt::format("{} could not be synced", folder));
  }
  return ok();
}

Result<void> make_dirs(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0) return ok();
  if (errno == ENOENT) {
    auto parent = std::filesystem::path{path}.parent_path().string();
    if (!parent.empty() && parent != path) {
      TROUPE_TRY(make_dirs(parent, mode));
      if (::mkdir(path.c_str(), mode) == 0) return ok();
    }
  }
  if (errno == EEXIST) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return ok();
    errno = ENOTDIR;
  }
  return errno_error(errno, fmt::format("folder {} could not be made", path));
}

namespace {

/// Gives the owner all rights on each folder of a tree. What cannot be opened stays as it is.
void open_folders(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code none;
  fs::permissions(folder, fs::perms::owner_all, fs::perm_options::add, none);
  std::error_code code;
  for (fs::directory_iterator it{folder, code}, end; !code && it != end; it.increment(code))
    if (fs::is_directory(it->symlink_status(none))) open_folders(it->path());
}

}  // namespace

Result<void> remove_tree(const std::string& path) {
  std::error_code code, ignored;
  std::filesystem::remove_all(path, code);  // does not follow links
  if (code == std::errc::permission_denied && !std::filesystem::is_symlink(path, ignored)) {
    // Read-only folders are an ordinary thing to leave behind: package caches are made of them.
    open_folders(path);
    std::filesystem::remove_all(path, code);
  }
  if (code) return errno_error(code.value(), fmt::format("{} could not be removed", path));
  return ok();
}

}  // namespace troupe
