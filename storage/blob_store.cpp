#include "storage/blob_store.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_set>

namespace troupe::storage {

namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

Result<void> sync_path(const std::string& path, int flags) {
  auto fd = open_file(path, O_RDONLY | flags);
  if (!fd) return std::move(fd).error();
  if (::fsync(fd->get()) != 0) return errno_error(errno, fmt::format("{} cannot be synced", path));
  return ok();
}

constexpr size_t read_bytes = 1u << 20;      // at a time, of what is hashed
constexpr char unfinished[] = "unfinished";  // the folder of what is being written

template <class Use>
Result<void> each_file(const std::string& root, const Use& use) {
  std::error_code code;
  for (fs::recursive_directory_iterator it{root, code}, end; !code && it != end; it.increment(code))
    if (it->is_regular_file(code) && !code) use(*it);
  if (code) return errno_error(code.value(), fmt::format("{} cannot be listed", root));
  return ok();
}

}  // namespace

FileTime time_of(const struct stat& info) {
  return FileTime{std::chrono::seconds{info.st_mtim.tv_sec} +
                  std::chrono::nanoseconds{info.st_mtim.tv_nsec}};
}

uint64_t drop_aside(const std::string& folder, FileTime than, bool dry_run) {
  uint64_t sum = 0;
  std::error_code code;
  for (fs::directory_iterator it{folder, code}, end; !code && it != end; it.increment(code)) {
    struct stat info {};
    // The time at which it was moved: its own is that of its bytes.
    if (::stat(it->path().c_str(), &info) != 0) continue;
    info.st_mtim = info.st_ctim;
    if (time_of(info) >= than) continue;
    sum += static_cast<uint64_t>(info.st_size);
    if (!dry_run) ::unlink(it->path().c_str());
  }
  return sum;
}

Result<BlobStore> BlobStore::open(std::string root, std::string what) {
  TROUPE_TRY(make_dirs(root + "/" + unfinished, 0700));
  return BlobStore{std::move(root), std::move(what)};
}

Error BlobStore::no_digest(std::string_view text) const {
  return Error{Errc::invalid, fmt::format("this is no digest of a {}", what_),
               fmt::format("\"{}\"", text.substr(0, 80)), "give 64 hexadecimal digits"};
}

std::string BlobStore::path(std::string_view digest) const {
  if (!is_digest(digest)) return {};
  return fmt::format("{}/{}/{}", root_, digest.substr(0, 2), digest);
}

Result<std::vector<std::string>> BlobStore::missing(const std::vector<std::string>& digests) const {
  std::vector<std::string> lacking;
  std::unordered_set<std::string_view> seen;
  for (const auto& digest : digests) {
    if (!is_digest(digest)) return no_digest(digest);
    if (seen.insert(digest).second && !touch(digest)) lacking.push_back(digest);
  }
  return lacking;
}

Result<void> BlobStore::put(const std::string& digest, std::string_view bytes) const {
  TROUPE_TRY(check_bytes(digest, bytes));
  return put_verified(digest, bytes);
}

Result<void> BlobStore::mend(const std::string& digest, std::string_view bytes) const {
  TROUPE_TRY(check_bytes(digest, bytes));
  return write(digest, bytes);
}

Result<void> BlobStore::check_bytes(const std::string& digest, std::string_view bytes) const {
  if (!is_digest(digest)) return no_digest(digest);
  auto actual = sha256_hex(bytes);
  if (actual != digest)
    return Error{Errc::invalid, fmt::format("a {} was refused", what_),
                 fmt::format("announced as {}, its bytes have {}", digest, actual),
                 "send it again; it changed or was damaged on its way"};
  return ok();
}

Result<void> BlobStore::put_verified(const std::string& digest, std::string_view bytes) const {
  if (!is_digest(digest)) return no_digest(digest);
  return touch(digest) ? ok() : write(digest, bytes);
}

Result<void> BlobStore::write(const std::string& digest, std::string_view bytes) const {
  auto target = path(digest);
  TROUPE_TRY(make_dirs(folder_of(target), 0700));
  static std::atomic<uint64_t> counter{0};  // two threads may bring the same bytes
  auto temporary = fmt::format("{}/{}/{}.{}.{}", root_, unfinished, digest, ::getpid(), ++counter);
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0400);
  if (!fd) return std::move(fd).error();
  auto written = write_all(fd->get(), bytes);
  // The disk begins now; the sync at the end then finds little to do. Only a hint.
  if (written) (void)::sync_file_range(fd->get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  if (written && ::rename(temporary.c_str(), target.c_str()) != 0)
    written = errno_error(errno, fmt::format("{} cannot be stored", target));
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Result<void> BlobStore::sync(std::span<const std::string> digests) const {
  std::set<std::string> folders;
  for (const auto& digest : digests) {
    if (!is_digest(digest)) return no_digest(digest);
    auto one = path(digest);
    TROUPE_TRY(sync_path(one, 0));
    folders.insert(folder_of(one));
  }
  for (const auto& folder : folders) TROUPE_TRY(sync_path(folder, O_DIRECTORY));
  return folders.empty() ? ok() : sync_path(root_, O_DIRECTORY);
}

Error BlobStore::not_stored(const std::string& digest) const {
  return Error{Errc::not_found, fmt::format("{} {} is not known", what_, digest),
               "no bytes of that digest were stored", "send it again"};
}

Result<UniqueFd> BlobStore::open_blob(const std::string& digest) const {
  if (!is_digest(digest)) return no_digest(digest);
  auto fd = open_file(path(digest), O_RDONLY);
  if (!fd && fd.error().code == Errc::not_found) return not_stored(digest);
  return fd;
}

Result<BlobChunk> BlobStore::read(const std::string& digest, uint64_t offset,
                                  uint32_t limit) const {
  auto fd = open_blob(digest);
  if (!fd) return std::move(fd).error();
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    return errno_error(errno, fmt::format("a {} cannot be read", what_));
  BlobChunk chunk;
  chunk.size = static_cast<uint64_t>(info.st_size);
  if (offset >= chunk.size) return chunk;
  chunk.bytes.resize(std::min<uint64_t>(limit, chunk.size - offset));
  TROUPE_TRY(read_at(*fd, offset, chunk.bytes.data(), chunk.bytes.size()));
  return chunk;
}

Result<void> BlobStore::read_exactly(const std::string& digest, uint64_t offset, char* to,
                                     size_t count) const {
  auto fd = open_blob(digest);
  if (!fd) return std::move(fd).error();
  return read_at(*fd, offset, to, count);
}

Result<void> BlobStore::read_at(const UniqueFd& fd, uint64_t offset, char* to, size_t count) const {
  while (count > 0) {
    auto n = ::pread(fd.get(), to, count, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, fmt::format("a {} cannot be read", what_));
    if (n == 0)
      return Error{Errc::corrupt, fmt::format("a {} is damaged", what_), "its file is too short",
                   "remove it and send it again"};
    to += n;
    offset += static_cast<uint64_t>(n);
    count -= static_cast<size_t>(n);
  }
  return ok();
}

Result<uint64_t> BlobStore::size(const std::string& digest) const {
  if (!is_digest(digest)) return no_digest(digest);
  struct stat info {};
  if (::stat(path(digest).c_str(), &info) != 0) return not_stored(digest);
  return static_cast<uint64_t>(info.st_size);
}

Result<void> BlobStore::remove(const std::string& digest) const {
  if (!is_digest(digest)) return no_digest(digest);
  if (::unlink(path(digest).c_str()) != 0 && errno != ENOENT)
    return errno_error(errno, fmt::format("a {} cannot be removed", what_));
  return ok();
}

bool BlobStore::touch(const std::string& digest) const {
  if (!is_digest(digest)) return false;
  std::lock_guard guard{*touching_};
  return ::utimensat(AT_FDCWD, path(digest).c_str(), nullptr, 0) == 0;
}

Result<bool> BlobStore::remove_older(const std::string& digest, Time than) const {
  if (!is_digest(digest)) return no_digest(digest);
  std::lock_guard guard{*touching_};
  struct stat info {};
  if (::stat(path(digest).c_str(), &info) != 0 || time_of(info) >= than) return false;
  TROUPE_TRY(remove(digest));
  return true;
}

Result<void> BlobStore::check(const std::string& digest) const {
  auto fd = open_blob(digest);
  if (!fd) return std::move(fd).error();
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    return errno_error(errno, fmt::format("a {} cannot be read", what_));
  // From the disk, as far as nobody has it mapped: what the memory still has says nothing of it.
  (void)::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);
  Sha256 sum;
  std::string piece;
  for (uint64_t done = 0, size = static_cast<uint64_t>(info.st_size); done < size;) {
    piece.resize(std::min<uint64_t>(read_bytes, size - done));
    TROUPE_TRY(read_at(*fd, done, piece.data(), piece.size()));
    sum.add(piece);
    done += piece.size();
  }
  if (sum.finish() == digest) return ok();
  return Error{Errc::corrupt, fmt::format("{} {} is damaged", what_, digest),
               "its bytes have another digest", "troupe data fsck --repair"};
}

Result<void> BlobStore::set_aside(const std::string& digest, const std::string& folder) const {
  if (!is_digest(digest)) return no_digest(digest);
  TROUPE_TRY(make_dirs(folder, 0700));
  std::lock_guard guard{*touching_};
  if (::rename(path(digest).c_str(), (folder + "/" + digest).c_str()) != 0 && errno != ENOENT)
    return errno_error(errno, fmt::format("a {} cannot be moved aside", what_));
  return ok();
}

Result<void> BlobStore::visit(
    const std::function<void(const std::string& digest, uint64_t size, Time time)>& each) const {
  return each_file(root_, [&](const fs::directory_entry& file) {
    auto name = file.path().filename().string();
    struct stat info {};
    // One that is gone was removed meanwhile.
    if (!is_digest(name) || ::stat(file.path().c_str(), &info) != 0) return;
    each(name, static_cast<uint64_t>(info.st_size), time_of(info));
  });
}

Result<void> BlobStore::sweep() const {
  return each_file(root_ + "/" + unfinished,
                   [](const fs::directory_entry& file) { ::unlink(file.path().c_str()); });
}

}  // namespace troupe::storage
