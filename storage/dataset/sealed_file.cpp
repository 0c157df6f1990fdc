#include "storage/dataset/sealed_file.hpp"

#include "runtime/core/fd.hpp"
#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/lmdb_error.hpp"

#include <fmt/format.h>
#include <lmdb.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <utility>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // Linux 5.14; Debian 12's libc headers have it, older ones do not
#endif

namespace troupe::dataset {

namespace {

constexpr auto refill = "remove this version from the node; it is filled again when it is needed";

Error damaged(const std::string& path, std::string detail) {
  return Error{Errc::corrupt, fmt::format("{} is damaged", path), std::move(detail), refill};
}

/// One environment per file: by device and inode, as one file can have several names.
struct Registry {
  std::mutex mutex;
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<const SealedFile>> open;
};

Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

struct SealedFile::Environment {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  ~Environment() {
    if (txn != nullptr) mdb_txn_abort(txn);
    if (env != nullptr) mdb_env_close(env);
  }
};

SealedFile::~SealedFile() = default;

Result<std::shared_ptr<const SealedFile>> SealedFile::open(const std::string& folder) {
  struct stat info {};
  if (::stat(SealedPaths{folder}.blocks().c_str(), &info) != 0) {
    if (errno != ENOENT) return errno_error(errno, fmt::format("{} cannot be opened", folder));
    return Error{Errc::not_found, fmt::format("{} is no dataset version", folder),
                 "there is no blocks.mdb in it", "fill it first"};
  }
  auto& all = registry();
  // Held while opening: two threads that ask at once must not both open the file.
  std::lock_guard lock{all.mutex};
  std::erase_if(all.open, [](const auto& entry) { return entry.second.expired(); });
  auto& known = all.open[{info.st_dev, info.st_ino}];
  if (auto file = known.lock()) return file;
  std::shared_ptr<SealedFile> file{new SealedFile};
  TROUPE_TRY(file->load(folder));
  known = file;
  return std::shared_ptr<const SealedFile>{std::move(file)};
}

Result<void> SealedFile::check_tree(int fd) const {
  auto bytes = read_file(paths_.seal(), 1u << 30);
  if (!bytes) return std::move(bytes).error();
  auto seal = seal_from(*bytes, paths_.seal());
  if (!seal) return std::move(seal).error();
  if (seal->pages * limits::page_bytes != file_bytes_)
    return damaged(paths_.blocks(), fmt::format("it has {} bytes and should have {}", file_bytes_,
                                                seal->pages * limits::page_bytes));
  std::string tree(seal->tree_pages.size() * limits::page_bytes, '\0');
  for (size_t i = 0; i < seal->tree_pages.size(); ++i) {
    auto offset = static_cast<off_t>(seal->tree_pages[i] * limits::page_bytes);
    if (::pread(fd, tree.data() + i * limits::page_bytes, limits::page_bytes, offset) !=
        static_cast<ssize_t>(limits::page_bytes))
      return damaged(paths_.blocks(), "a page of its index cannot be read");
  }
  if (content_id_of(tree) != seal->tree_id)
    return damaged(paths_.blocks(), "its index has other bytes than when it was sealed");
  return ok();
}

Result<void> SealedFile::load(const std::string& folder) {
  paths_ = {folder};
  auto bytes = read_file(paths_.manifest(), limits::manifest_bytes_max);
  if (!bytes) return std::move(bytes).error();
  version_ = content_id_of(*bytes);
  if (name_of(folder) != to_string(version_))
    return damaged(paths_.manifest(), "its digest is not the name of the folder");
  auto manifest = parse_manifest(*bytes);
  if (!manifest) return damaged(paths_.manifest(), manifest.error().detail);
  manifest_ = std::move(*manifest);

  struct stat info {};
  {
    auto fd = open_file(paths_.blocks(), O_RDONLY);
    if (!fd) return std::move(fd).error();
    if (::fstat(fd->get(), &info) != 0)
      return errno_error(errno, fmt::format("{} cannot be opened", paths_.blocks()));
    file_bytes_ = static_cast<uint64_t>(info.st_size);
    TROUPE_TRY(check_tree(fd->get()));
  }
  environment_ = std::make_unique<Environment>();
  auto& [env, txn] = *environment_;
  unsigned flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NOSUBDIR;
  struct sysinfo memory {};
  if (::sysinfo(&memory) == 0 && file_bytes_ > uint64_t{memory.totalram} * memory.mem_unit)
    flags |= MDB_NORDAHEAD;  // what is read ahead at random would push out what is needed
  int code = mdb_env_create(&env);
  if (code == 0) code = mdb_env_open(env, paths_.blocks().c_str(), flags, 0);
  if (code == 0) code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  if (code != 0) return lmdb_error(code, fmt::format("{} cannot be opened", paths_.blocks()));
  auto walk = walk_blocks(txn, manifest_, file_bytes_, paths_.blocks());
  if (!walk) return std::move(walk).error();
  walk_ = std::move(*walk);
  // What comes from the disk from now on comes in huge pages where the kernel can: records that lie
  // anywhere are then found a fifth faster. Not where more would come than fits.
  if (walk_.base != nullptr && (flags & MDB_NORDAHEAD) == 0)
    ::madvise(const_cast<char*>(walk_.base), file_bytes_, MADV_HUGEPAGE);
  return ok();
}

std::string_view SealedFile::piece(const Content& content, uint32_t number) const {
  const auto& piece = manifest_.pieces[content.first_piece + number];
  return {walk_.payloads[piece.block] + piece.offset, manifest_.piece_bytes(content, number)};
}

void SealedFile::copy(const Content& content, uint64_t offset, char* to, size_t count) const {
  auto block_bytes = manifest_.block_bytes();
  while (count > 0) {
    auto part = piece(content, static_cast<uint32_t>(offset / block_bytes))
                    .substr(offset % block_bytes, count);
    std::memcpy(to, part.data(), part.size());
    to += part.size();
    offset += part.size();
    count -= part.size();
  }
}

Result<void> SealedFile::populate() const {
  if (walk_.base == nullptr) return ok();
  auto* begin = const_cast<char*>(walk_.base);
  int done = -1;
  do {
    done = ::madvise(begin, file_bytes_, MADV_POPULATE_READ);
  } while (done != 0 && errno == EINTR);
  if (done == 0) return ok();
  if (errno != EINVAL)
    return errno_error(errno, fmt::format("{} cannot be read into memory", paths_.blocks()),
                       refill);
  ::madvise(begin, file_bytes_, MADV_WILLNEED);  // kernels before 5.14: started, not waited for
  return ok();
}

}  // namespace troupe::dataset
