#include "storage/beneath.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

constexpr size_t path_bytes_max = 4095;  // Linux's PATH_MAX without the NUL

Error open_error(int number, std::string_view path) {
  auto what = fmt::format("{} cannot be opened", path);
  if (number == ELOOP || number == EXDEV)
    return Error{Errc::refused, what, "it is a link or leads through one",
                 "links are listed but not followed; name the file itself"};
  if (number == ENOENT || number == ENOTDIR)
    return Error{Errc::not_found, what, "no such file", "list the files to see what there is"};
  return errno_error(number, what);
}

int open_at(int folder, const std::string& name, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::openat(folder, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/// Folder by folder, for kernels without openat2; the same answers.
Result<UniqueFd> open_by_parts(int folder, std::string_view path, int flags, unsigned mode) {
  UniqueFd held;
  auto rest = path;
  for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    // O_PATH|O_NOFOLLOW opens a link itself, so that it is told apart from a plain file.
    std::string part{rest.substr(0, slash)};
    char byte = 0;
    int at = held ? held.get() : folder;
    UniqueFd next{open_at(at, part, O_PATH | O_DIRECTORY, 0)};
    if (!next) {
      int number = errno;
      bool is_link = number == ENOTDIR && ::readlinkat(at, part.c_str(), &byte, 1) >= 0;
      return open_error(is_link ? ELOOP : number, path);
    }
    held = std::move(next);
    rest.remove_prefix(slash + 1);
  }
  UniqueFd file{open_at(held ? held.get() : folder, std::string{rest}, flags, mode)};
  if (!file) return open_error(errno, path);
  return file;
}

}  // namespace

Result<void> check_relative_path(std::string_view path) {
  auto bad = [&](std::string detail) {
    return Error{Errc::invalid, "the path is refused", std::move(detail),
                 "give a path relative to the folder, without \"..\""};
  };
  if (path.empty()) return bad("it is empty");
  if (path.size() > path_bytes_max)
    return bad(
        fmt::format("it has {} bytes, at most {} are possible", path.size(), path_bytes_max));
  if (path.find('\0') != std::string_view::npos) return bad("it holds a NUL byte");
  if (path.front() == '/') return bad("it is absolute");
  auto rest = path;
  while (true) {
    auto slash = rest.find('/');
    auto part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..")
      return bad(fmt::format("it has the part \"{}\"", part));
    if (slash == std::string_view::npos) return ok();
    rest.remove_prefix(slash + 1);
  }
}

Result<UniqueFd> open_beneath(int folder, std::string_view path, int flags, Beneath how,
                              unsigned mode) {
  TROUPE_TRY(check_relative_path(path));
  if (how == Beneath::by_parts) return open_by_parts(folder, path, flags, mode);
  struct open_how ask {};
  ask.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  ask.mode = (flags & O_CREAT) != 0 ? mode : 0;
  ask.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  std::string name{path};
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, folder, name.c_str(), &ask, sizeof ask);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd >= 0) return UniqueFd{static_cast<int>(fd)};
  // EPERM: a sandbox that does not know the call.
  if (errno == ENOSYS || errno == EPERM) return open_by_parts(folder, path, flags, mode);
  return open_error(errno, path);
}

}  // namespace troupe::storage
