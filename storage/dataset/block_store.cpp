#include "storage/dataset/block_store.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

namespace fs = std::filesystem;

Error not_stored(const ContentId& id) {
  return Error{Errc::not_found, fmt::format("block {} is not here", to_string(id)),
               "no block of that digest was stored", "fetch it from where the data came from"};
}

Result<void> sync_folder(const std::string& path) {
  auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::move(fd).error();
  if (::fsync(fd->get()) != 0) return errno_error(errno, fmt::format("{} cannot be synced", path));
  return ok();
}

template <class Use>
Result<void> each_file(const std::string& root, const Use& use) {
  std::error_code code;
  for (fs::recursive_directory_iterator it{root, code}, end; !code && it != end; it.increment(code))
    if (it->is_regular_file(code) && !code) use(*it);
  if (code) return errno_error(code.value(), fmt::format("{} cannot be listed", root));
  return ok();
}

}  // namespace

Result<BlockStore> BlockStore::open(const std::string& dir) {
  auto root = dir + "/blocks";
  // All 256 folders at once: later none has to be synced into its parent.
  for (unsigned i = 0; i < 256; ++i) TROUPE_TRY(make_dirs(fmt::format("{}/{:02x}", root, i), 0700));
  return BlockStore{root};
}

std::string BlockStore::path_of(const ContentId& id) const {
  auto name = to_string(id);
  return fmt::format("{}/{}/{}", root_, std::string_view{name}.substr(0, 2), name);
}

bool BlockStore::has(const ContentId& id) const {
  struct stat info {};
  return ::stat(path_of(id).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::vector<ContentId> BlockStore::missing(const std::vector<ContentId>& ids) const {
  std::vector<ContentId> lacking;
  for (const auto& id : ids)
    if (!has(id)) lacking.push_back(id);
  return lacking;
}

Result<void> BlockStore::put(const ContentId& id, std::string_view payload) const {
  bool whole = !payload.empty() && payload.size() % limits::page_bytes == 0 &&
               payload.size() <= size_t{limits::page_bytes} << limits::block_log2_max;
  if (!whole || content_id_of(payload) != id)
    return Error{Errc::invalid, "a block was refused",
                 whole ? fmt::format("announced as {}, its bytes have {}", to_string(id),
                                     to_string(content_id_of(payload)))
                       : fmt::format("it has {} bytes", payload.size()),
                 "send it again; it was damaged on its way"};
  return put_verified(id, payload);
}

Result<void> BlockStore::put_verified(const ContentId& id, std::string_view payload) const {
  if (has(id)) return ok();
  static std::atomic<uint64_t> counter{0};  // two threads may bring the same block
  auto path = path_of(id);
  auto temporary = fmt::format("{}.tmp{}.{}", path, ::getpid(), ++counter);
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0400);
  if (!fd) return std::move(fd).error();
  auto written = write_all(fd->get(), payload);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
    written = errno_error(errno, "a block cannot be stored");
  if (written) return ok();
  ::unlink(temporary.c_str());
  auto error = std::move(written).error();
  error.what = fmt::format("block {} could not be written to {}", to_string(id), root_);
  return error;
}

Result<void> BlockStore::sync(const std::vector<ContentId>& ids) const {
  std::set<std::string> folders;
  for (const auto& id : ids) {
    auto fd = open_file(path_of(id), O_RDONLY);
    if (!fd) return fd.error().code == Errc::not_found ? not_stored(id) : std::move(fd).error();
    if (::fdatasync(fd->get()) != 0)
      return errno_error(errno, fmt::format("block {} cannot be synced", to_string(id)));
    folders.insert(fmt::format("{}/{}", root_, to_string(id).substr(0, 2)));
  }
  for (const auto& folder : folders) TROUPE_TRY(sync_folder(folder));
  return ok();
}

Result<std::string> BlockStore::get(const ContentId& id) const {
  auto bytes = read_file(path_of(id), size_t{limits::page_bytes} << limits::block_log2_max);
  if (!bytes && bytes.error().code == Errc::not_found) return not_stored(id);
  return bytes;
}

Result<void> BlockStore::read(const ContentId& id, uint64_t offset, char* to, size_t count) const {
  auto fd = open_file(path_of(id), O_RDONLY);
  if (!fd) return fd.error().code == Errc::not_found ? not_stored(id) : std::move(fd).error();
  while (count > 0) {
    auto n = ::pread(fd->get(), to, count, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, fmt::format("block {} cannot be read", to_string(id)));
    if (n == 0)
      return Error{Errc::corrupt, fmt::format("block {} is damaged", to_string(id)),
                   "its file is too short", "remove it and push the data again"};
    to += n;
    offset += static_cast<uint64_t>(n);
    count -= static_cast<size_t>(n);
  }
  return ok();
}

Result<void> BlockStore::remove(const ContentId& id) const {
  if (::unlink(path_of(id).c_str()) == 0 || errno == ENOENT) return ok();
  return errno_error(errno, fmt::format("block {} cannot be removed", to_string(id)));
}

Result<void> BlockStore::for_each(
    const std::function<void(const ContentId&, uint64_t bytes)>& use) const {
  return each_file(root_, [&](const fs::directory_entry& file) {
    std::error_code code;
    auto id = content_id_from(file.path().filename().string());
    auto bytes = file.file_size(code);
    if (id && !code) use(*id, bytes);
  });
}

Result<void> BlockStore::sweep() const {
  return each_file(root_, [&](const fs::directory_entry& file) {
    if (!content_id_from(file.path().filename().string())) ::unlink(file.path().c_str());
  });
}

}  // namespace troupe::dataset
