// The private copy of a code snapshot that a job runs in.
#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "storage/beneath.hpp"
#include "storage/code_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

/// Puts the bytes of one entry into an empty file.
using FillFile = std::function<Result<void>(const CodeEntry& entry, int fd)>;

Error cannot(const CodeEntry& entry, int number) {
  return errno_error(number, fmt::format("code file {} cannot be made", entry.path));
}

/// The folder of a path below `root`, made where it is missing. Nothing of it can be a link: the
/// tree is new, ours alone (0700) and its links come last.
Result<UniqueFd> folder_of(int root, std::string_view path) {
  UniqueFd folder{::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
    std::string part{path.substr(0, slash)};
    if (::mkdirat(folder.get(), part.c_str(), 0755) != 0 && errno != EEXIST)
      return errno_error(errno, fmt::format("code folder {} cannot be made", part));
    UniqueFd next{
        ::openat(folder.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!next) return errno_error(errno, fmt::format("code folder {} cannot be made", part));
    folder = std::move(next);
    path.remove_prefix(slash + 1);
  }
  return folder;
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

Result<void> make_file(int root, const CodeEntry& entry, const FillFile& fill) {
  auto folder = folder_of(root, entry.path);
  if (!folder) return std::move(folder).error();
  UniqueFd file{::openat(folder->get(), name_of(entry.path).c_str(),
                         O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!file) return cannot(entry, errno);
  TROUPE_TRY(fill(entry, file.get()));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return cannot(entry, errno);
  if (static_cast<uint64_t>(info.st_size) != entry.size)
    return Error{Errc::corrupt, fmt::format("code file {} cannot be made", entry.path),
                 fmt::format("{} bytes came, the manifest says {}", info.st_size, entry.size),
                 "submit again; report it if it happens again"};
  if (::fchmod(file.get(), entry.executable ? 0755 : 0644) != 0) return cannot(entry, errno);
  return ok();
}

Result<void> make_link(int root, const CodeEntry& entry) {
  if (!link_stays_inside(entry.path, entry.target))
    return Error{Errc::invalid, fmt::format("link {} was refused", entry.path),
                 fmt::format("it leads to {}, outside the code", entry.target),
                 "remove the link or copy the file"};
  auto folder = folder_of(root, entry.path);
  if (!folder) return std::move(folder).error();
  if (::symlinkat(entry.target.c_str(), folder->get(), name_of(entry.path).c_str()) != 0)
    return cannot(entry, errno);
  return ok();
}

Result<void> make_tree(const CodeManifest& manifest, int root, const FillFile& fill) {
  for (const auto& entry : manifest.entries) TROUPE_TRY(check_relative_path(entry.path));
  for (const auto& entry : manifest.entries)
    if (!entry.is_link) TROUPE_TRY(make_file(root, entry, fill));
  for (const auto& entry : manifest.entries)
    if (entry.is_link) TROUPE_TRY(make_link(root, entry));
  if (::fchmod(root, 0755) != 0) return errno_error(errno, "the code folder cannot be opened up");
  return ok();
}

Result<void> materialise_with(const CodeManifest& manifest, const std::string& target,
                              const FillFile& fill) {
  if (::mkdir(target.c_str(), 0700) != 0)
    return errno_error(errno, fmt::format("code folder {} cannot be made", target));
  auto root = open_file(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  auto made = root ? make_tree(manifest, root->get(), fill) : Result<void>{root.error()};
  if (made) return ok();
  if (auto removed = remove_tree(target); !removed) return std::move(removed).error();
  return made;
}

/// Shares the blocks where the file system can, else copies inside the kernel, else by hand.
Result<void> copy_blob(const CodeEntry& entry, int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) return ok();
  uint64_t done = 0;
  while (true) {
    auto n = ::copy_file_range(from, nullptr, to, nullptr, 64u << 20, 0);
    if (n > 0) {
      done += static_cast<uint64_t>(n);
      continue;
    }
    if (n == 0) break;
    if (errno == EINTR) continue;
    bool cannot_here = errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
                       errno == EOPNOTSUPP || errno == EPERM;
    if (!cannot_here || done != 0) return cannot(entry, errno);
    break;
  }
  if (done != 0 || entry.size == 0) return ok();
  std::string buffer(256u << 10, '\0');
  while (true) {
    auto n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot(entry, errno);
    if (n == 0) return ok();
    TROUPE_TRY(write_all(to, {buffer.data(), static_cast<size_t>(n)}));
  }
}

}  // namespace

Result<void> materialise(const CodeManifest& manifest, const FetchBlob& fetch,
                         const std::string& target) {
  return materialise_with(manifest, target, [&](const CodeEntry& entry, int fd) -> Result<void> {
    Sha256 sha;
    for (uint64_t done = 0; done < entry.size;) {
      auto piece = fetch(entry.digest, done);
      if (!piece) return std::move(piece).error();
      if (piece->empty()) break;  // too short: the size check says so
      sha.add(*piece);
      TROUPE_TRY(write_all(fd, *piece));
      done += piece->size();
    }
    if (sha.finish() == entry.digest) return ok();
    return Error{Errc::corrupt, fmt::format("code file {} cannot be made", entry.path),
                 "its bytes do not have the digest of the manifest",
                 "submit again; report it if it happens again"};
  });
}

Result<void> materialise(const CodeManifest& manifest, const CodeStore& store,
                         const std::string& target) {
  return materialise_with(manifest, target, [&](const CodeEntry& entry, int fd) -> Result<void> {
    auto from = open_file(store.blobs().path(entry.digest), O_RDONLY);
    if (!from) {
      auto error = std::move(from).error();
      error.what = fmt::format("code file {} cannot be made", entry.path);
      return error;
    }
    return copy_blob(entry, from->get(), fd);
  });
}

}  // namespace troupe::storage
