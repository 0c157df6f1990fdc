#include "storage/code_store.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_set>

namespace troupe::storage {

namespace {

constexpr size_t manifest_bytes_max = 64u << 20;  // 100,000 entries with long paths
constexpr size_t named_max = 5;                   // missing blobs that an error names

bool is_digest(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Error no_digest(std::string_view text) {
  return Error{Errc::invalid, "this is no digest of a file",
               fmt::format("\"{}\"", text.substr(0, 80)), "give 64 hexadecimal digits"};
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

Result<void> sync_path(const std::string& path, int flags) {
  auto fd = open_file(path, O_RDONLY | flags);
  if (!fd) return std::move(fd).error();
  if (::fsync(fd->get()) != 0) return errno_error(errno, fmt::format("{} cannot be synced", path));
  return ok();
}

}  // namespace

Result<CodeStore> CodeStore::open(const std::string& dir) {
  auto root = dir + "/code";
  TROUPE_TRY(make_dirs(root + "/blobs", 0700));
  TROUPE_TRY(make_dirs(root + "/manifests", 0700));
  return CodeStore{root};
}

std::string CodeStore::blob_path(const std::string& digest) const {
  if (!is_digest(digest)) return {};
  return fmt::format("{}/blobs/{}/{}", root_, digest.substr(0, 2), digest);
}

std::string CodeStore::manifest_path(const std::string& digest) const {
  return fmt::format("{}/manifests/{}", root_, digest);
}

Result<std::vector<std::string>> CodeStore::missing(const std::vector<std::string>& digests) const {
  std::vector<std::string> lacking;
  std::unordered_set<std::string_view> seen;
  for (const auto& digest : digests) {
    if (!is_digest(digest)) return no_digest(digest);
    if (seen.insert(digest).second && !exists(blob_path(digest))) lacking.push_back(digest);
  }
  return lacking;
}

Result<void> CodeStore::put_blob(const std::string& digest, std::string_view bytes) const {
  if (!is_digest(digest)) return no_digest(digest);
  auto actual = sha256_hex(bytes);
  if (actual != digest)
    return Error{Errc::invalid, "a code file was refused",
                 fmt::format("announced as {}, its bytes have {}", digest, actual),
                 "send it again; it changed or was damaged on its way"};
  auto path = blob_path(digest);
  if (exists(path)) return ok();
  TROUPE_TRY(make_dirs(path.substr(0, path.rfind('/')), 0700));
  static std::atomic<uint64_t> counter{0};  // two threads may bring the same file
  auto temporary = fmt::format("{}.tmp{}.{}", path, ::getpid(), ++counter);
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0400);
  if (!fd) return std::move(fd).error();
  auto written = write_all(fd->get(), bytes);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
    written = errno_error(errno, fmt::format("{} cannot be stored", path));
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Result<std::string> CodeStore::put_manifest(std::string_view text) const {
  auto manifest = parse_manifest(text);
  if (!manifest) return std::move(manifest).error();
  auto canonical = manifest_text(*manifest);
  auto digest = sha256_hex(canonical);
  if (exists(manifest_path(digest))) return digest;
  std::unordered_set<std::string> blobs, folders;
  std::vector<std::string> lacking;
  for (const auto& entry : manifest->entries) {
    if (entry.is_link || !blobs.insert(entry.digest).second) continue;
    auto path = blob_path(entry.digest);
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      lacking.push_back(entry.path);
    } else if (static_cast<uint64_t>(info.st_size) != entry.size) {
      return Error{Errc::invalid, "a code manifest was refused",
                   fmt::format("{} is said to have {} bytes, its content has {}", entry.path,
                               entry.size, info.st_size),
                   "submit again"};
    }
    folders.insert(path.substr(0, path.rfind('/')));
  }
  if (!lacking.empty()) {
    std::string names;
    for (size_t i = 0; i < std::min(lacking.size(), named_max); ++i)
      names += (i ? ", " : "") + lacking[i];
    return Error{Errc::conflict, "a code manifest was refused",
                 fmt::format("{} files were not sent yet: {}{}", lacking.size(), names,
                             lacking.size() > named_max ? ", ..." : ""),
                 "send these files first"};
  }
  for (const auto& blob : blobs) TROUPE_TRY(sync_path(blob_path(blob), 0));
  for (const auto& folder : folders) TROUPE_TRY(sync_path(folder, O_DIRECTORY));
  TROUPE_TRY(sync_path(root_ + "/blobs", O_DIRECTORY));
  TROUPE_TRY(replace_file(manifest_path(digest), canonical, 0400));
  return digest;
}

Result<std::string> CodeStore::manifest(const std::string& digest) const {
  if (!is_digest(digest)) return no_digest(digest);
  auto text = read_file(manifest_path(digest), manifest_bytes_max);
  if (!text && text.error().code == Errc::not_found)
    return Error{Errc::not_found, fmt::format("code snapshot {} is not known", digest),
                 "no manifest of that digest was stored", "submit with the code again"};
  return text;
}

Result<BlobChunk> CodeStore::read_blob(const std::string& digest, uint64_t offset,
                                       uint32_t limit) const {
  if (!is_digest(digest)) return no_digest(digest);
  auto fd = open_file(blob_path(digest), O_RDONLY);
  if (!fd) {
    if (fd.error().code != Errc::not_found) return std::move(fd).error();
    return Error{Errc::not_found, fmt::format("code file {} is not known", digest),
                 "no file of that digest was stored", "submit with the code again"};
  }
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return errno_error(errno, "a code file cannot be read");
  BlobChunk chunk;
  chunk.size = static_cast<uint64_t>(info.st_size);
  if (offset >= chunk.size) return chunk;
  chunk.bytes.resize(std::min<uint64_t>(limit, chunk.size - offset));
  size_t done = 0;
  while (done < chunk.bytes.size()) {
    auto n = ::pread(fd->get(), chunk.bytes.data() + done, chunk.bytes.size() - done,
                     static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error(n < 0 ? errno : EIO, "a code file cannot be read");
    done += static_cast<size_t>(n);
  }
  return chunk;
}

}  // namespace troupe::storage
