#include "storage/dataset/sealed_writer.hpp"

#include "runtime/core/units.hpp"
#include "storage/dataset/block_walk.hpp"
#include "storage/dataset/early_writes.hpp"
#include "storage/dataset/erofs_image.hpp"
#include "storage/dataset/lmdb_error.hpp"
#include "storage/dataset/seal_pages.hpp"
#include "storage/lmdb_pages.hpp"

#include <fmt/format.h>
#include <lmdb.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

constexpr uint64_t map_slack = 64ull << 20;  // of address space, not of disk
// Beyond about 100,000 values LMDB writes pages of a transaction out before its end, and a block
// may be as small as two pages. Places that put() copies to must stay where they are.
constexpr uint64_t commit_bytes_max = 512ull << 20;
constexpr uint64_t small_files = 1ull << 20;  // the seal and what file systems need themselves

Result<void> sync_folder(int fd, const std::string& path) {
  if (::fsync(fd) != 0) return errno_error(errno, fmt::format("{} cannot be synced", path));
  return ok();
}

}  // namespace

struct SealedWriter::Environment {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi table = 0;
  ~Environment() {
    if (txn != nullptr) mdb_txn_abort(txn);
    if (env != nullptr) mdb_env_close(env);
  }
};

Result<VerifiedBlock> VerifiedBlock::check(const Manifest& manifest, uint32_t block,
                                           std::string_view payload) {
  TROUPE_ASSERT(block < manifest.blocks.size(), "no such block");
  const auto& expected = manifest.blocks[block];
  if (payload.size() == expected.bytes() && content_id_of(payload) == expected.id)
    return VerifiedBlock{block, payload};
  return Error{Errc::corrupt, fmt::format("block {} was refused", to_string(expected.id)),
               payload.size() == expected.bytes()
                   ? std::string{"its bytes have another digest"}
                   : fmt::format("it has {} bytes instead of {}", payload.size(), expected.bytes()),
               "fetch it again, from another node if there is one"};
}

SealedWriter::SealedWriter(std::string dir, std::shared_ptr<const Manifest> manifest,
                           FillOptions options)
    : dir_{std::move(dir)},
      manifest_{std::move(manifest)},
      options_{std::min(options.commit_bytes, commit_bytes_max)},
      version_{version_id(*manifest_)},
      paths_{filling_paths(dir_, version_)},
      has_(manifest_->blocks.size()) {}

SealedWriter::~SealedWriter() {
  if (sync_.valid()) sync_.wait();
}

Result<std::unique_ptr<SealedWriter>> SealedWriter::begin(const std::string& dir,
                                                          std::shared_ptr<const Manifest> manifest,
                                                          FillOptions options) {
  std::unique_ptr<SealedWriter> writer{new SealedWriter{dir, std::move(manifest), options}};
  TROUPE_TRY(writer->lock_folder());
  TROUPE_TRY(writer->sweep());
  TROUPE_TRY(writer->check_space());
  TROUPE_TRY(writer->roll_back());
  TROUPE_TRY(writer->open());
  TROUPE_TRY(writer->find_blocks());
  return writer;
}

uint64_t sealed_bytes_max(const Manifest& manifest, const FillOptions& options) {
  // The image: inodes and names, twice the bytes of small files at most.
  uint64_t image = 0;
  for (const auto& entry : manifest.entries)
    image += 128 + entry.path.size() + (entry.content.is_tight() ? 2 * entry.content.size : 0);
  return blocks_file_bytes_max(manifest, options.commit_bytes) + image +
         8 * manifest.pieces.size() + small_files;
}

Result<void> SealedWriter::lock_folder() {
  struct stat info {};
  auto sealed = sealed_paths(dir_, version_).folder;
  if (::stat(sealed.c_str(), &info) == 0)
    return Error{Errc::conflict, fmt::format("{} cannot be filled", sealed), "it is whole already",
                 "open it, or remove it first"};
  if (::mkdir(paths_.folder.c_str(), 0755) != 0 && errno != EEXIST)
    return errno_error(errno, fmt::format("{} cannot be made", paths_.folder));
  auto fd = open_file(paths_.folder, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::move(fd).error();
  folder_ = std::move(*fd);
  if (::flock(folder_.get(), LOCK_EX | LOCK_NB) == 0) return ok();
  if (errno == EWOULDBLOCK)
    return Error{Errc::conflict, fmt::format("{} cannot be filled", paths_.folder),
                 "another process fills it", "wait for that one, or stop it"};
  return errno_error(errno, fmt::format("{} cannot be locked", paths_.folder));
}

/// What stands beside blocks.mdb was being written when a fill broke off, or is made anew.
Result<void> SealedWriter::sweep() const {
  std::error_code code;
  for (std::filesystem::directory_iterator it{paths_.folder, code}, end; !code && it != end;
       it.increment(code))
    if (it->path() != paths_.blocks() && it->path() != paths_.synced())
      TROUPE_TRY(remove_tree(it->path().string()));
  if (code) return errno_error(code.value(), fmt::format("{} cannot be listed", paths_.folder));
  return ok();
}

Result<void> SealedWriter::check_space() const {
  auto needed = sealed_bytes_max(*manifest_, options_);
  uint64_t there = 0;
  struct stat info {};
  if (::stat(paths_.blocks().c_str(), &info) == 0)
    there = static_cast<uint64_t>(info.st_blocks) * 512;
  struct statvfs disk {};
  if (::statvfs(dir_.c_str(), &disk) != 0)
    return errno_error(errno, fmt::format("the disk of {} cannot be asked", dir_));
  auto free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (needed <= there || needed - there <= free) return ok();
  return Error{Errc::exhausted,
               fmt::format("dataset version {} does not fit on the disk of {}",
                           to_string(version_).substr(0, 12), dir_),
               fmt::format("needs {} ({} bytes), free {} ({} bytes)", bytes_text(needed - there),
                           needed - there, bytes_text(free), free),
               "remove other versions from this node, or use one with a larger disk"};
}

/// LMDB's newest state may be one that a power cut left half written. The one that was synced last
/// stands in the other meta page, as there is one commit between two syncs at most.
Result<void> SealedWriter::roll_back() {
  auto start_anew = [&]() -> Result<void> {
    for (const auto& path : {paths_.blocks(), paths_.synced()})
      if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return errno_error(errno, fmt::format("{} cannot be removed", path));
    return ok();
  };
  auto text = read_file(paths_.synced(), 64);
  uint64_t synced = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), synced);
  auto fd = open_file(paths_.blocks(), O_RDWR);
  if (synced == 0 || !fd) return start_anew();
  storage::MetaPage metas[2];
  for (unsigned i = 0; i < 2; ++i)
    if (::pread(fd->get(), &metas[i], sizeof metas[i], i * limits::page_bytes) !=
            static_cast<ssize_t>(sizeof metas[i]) ||
        metas[i].magic != storage::lmdb_magic)
      return start_anew();
  unsigned newest = metas[0].txn < metas[1].txn ? 1 : 0;
  if (metas[newest].txn == synced) return ok();
  if (metas[1 - newest].txn != synced) return start_anew();
  auto older = metas[1 - newest];
  older.header = metas[newest].header;
  if (::pwrite(fd->get(), &older, sizeof older, newest * limits::page_bytes) !=
          static_cast<ssize_t>(sizeof older) ||
      ::fdatasync(fd->get()) != 0)
    return errno_error(errno, fmt::format("{} cannot be written", paths_.blocks()));
  return ok();
}

Result<void> SealedWriter::open() {
  auto synced = open_file(paths_.synced(), O_RDWR | O_CREAT, 0644);
  if (!synced) return std::move(synced).error();
  synced_ = std::move(*synced);
  environment_ = std::make_unique<Environment>();
  auto& [env, txn, table] = *environment_;
  int code = mdb_env_create(&env);
  // Readers take the size of the mapping from the file: enough for the data and nothing more to
  // add.
  auto map_bytes = blocks_file_bytes_max(*manifest_, options_.commit_bytes) + map_slack;
  if (code == 0) code = mdb_env_set_mapsize(env, map_bytes);
  // Nobody else opens it before it is sealed, so there is nothing to lock; synced by hand.
  unsigned flags = MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK | MDB_NOTLS;
  if (code == 0) code = mdb_env_open(env, paths_.blocks().c_str(), flags, 0644);
  if (code == 0) code = mdb_txn_begin(env, nullptr, 0, &txn);
  if (code == 0) code = mdb_dbi_open(txn, nullptr, 0, &table);
  if (code != 0) return lmdb_error(code, fmt::format("{} cannot be opened", paths_.blocks()));
  MDB_stat stat{};
  if (mdb_stat(txn, table, &stat) == 0 && stat.ms_psize == limits::page_bytes) return ok();
  return Error{Errc::invalid, fmt::format("{} cannot be filled", paths_.folder),
               fmt::format("this machine has pages of {} bytes", stat.ms_psize),
               "sealed files need pages of 4,096 bytes; use another node"};
}

/// Of what an earlier fill left, only what has the right bytes counts.
Result<void> SealedWriter::find_blocks() {
  auto& [env, txn, table] = *environment_;
  MDB_cursor* cursor = nullptr;
  if (int code = mdb_cursor_open(txn, table, &cursor))
    return lmdb_error(code, fmt::format("{} cannot be read", paths_.blocks()));
  MDB_val key{}, value{};
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    auto parsed = block_key_from({static_cast<const char*>(key.mv_data), key.mv_size});
    if (parsed) next_arrival_ = parsed->arrival + 1;
    std::string_view bytes{static_cast<const char*>(value.mv_data), value.mv_size};
    bool good = parsed && parsed->block < has_.size() && !has_[parsed->block];
    if (good) {
      const auto& block = manifest_->blocks[parsed->block];
      good = head_from(bytes) == BlockHead{parsed->block, block.pages, block.id} &&
             VerifiedBlock::check(*manifest_, parsed->block, bytes.substr(block_head_bytes));
    }
    if (good) {
      has_[parsed->block] = true;
      bytes_there_ += bytes.size() - block_head_bytes;
    } else if ((code = mdb_cursor_del(cursor, 0)) != 0) {
      break;
    }
  }
  mdb_cursor_close(cursor);
  if (code == 0 || code == MDB_NOTFOUND) return ok();
  return lmdb_error(code, fmt::format("{} cannot be read", paths_.blocks()));
}

std::vector<uint32_t> SealedWriter::missing() const {
  std::lock_guard lock{mutex_};
  std::vector<uint32_t> blocks;
  for (uint32_t i = 0; i < has_.size(); ++i)
    if (!has_[i]) blocks.push_back(i);
  return blocks;
}

Result<void> SealedWriter::begin_commit() {
  auto& [env, txn, table] = *environment_;
  if (broken_)
    return Error{Errc::conflict, fmt::format("{} cannot be written", paths_.blocks()),
                 "an earlier write failed", "begin the fill again; what was synced is kept"};
  if (txn != nullptr) return ok();
  if (int code = mdb_txn_begin(env, nullptr, 0, &txn))
    return lmdb_error(code, fmt::format("{} cannot be written", paths_.blocks()));
  return ok();
}

/// Where a block goes in the open transaction; null where it is there already.
Result<char*> SealedWriter::reserve(const VerifiedBlock& block) {
  auto number = block.block();
  if (has_[number]) return static_cast<char*>(nullptr);
  if (uncommitted_ >= options_.commit_bytes) TROUPE_TRY(commit());
  TROUPE_TRY(begin_commit());
  auto& [env, txn, table] = *environment_;
  auto key_bytes = block_key(next_arrival_, number);
  MDB_val key{key_bytes.size(), key_bytes.data()};
  MDB_val value{block_head_bytes + block.payload().size(), nullptr};
  if (int code = mdb_put(txn, table, &key, &value, MDB_APPEND | MDB_RESERVE)) {
    broken_ = true;
    return lmdb_error(code, fmt::format("{} cannot be written", paths_.blocks()));
  }
  next_arrival_ += 1;
  has_[number] = true;
  bytes_there_ += block.payload().size();
  uncommitted_ += block.payload().size();
  return static_cast<char*>(value.mv_data);
}

/// LMDB has one writer at a time; the copying, which costs most, goes on beside it. The place stays
/// good until the commit, and that waits for all who copy.
Result<void> SealedWriter::put(const VerifiedBlock& block) {
  std::shared_lock<std::shared_mutex> copies;
  char* to = nullptr;
  {
    std::lock_guard lock{mutex_};
    auto reserved = reserve(block);
    if (!reserved) return std::move(reserved).error();
    if (*reserved == nullptr) return ok();
    to = *reserved;
    copies = std::shared_lock{copies_};
  }
  const auto& expected = manifest_->blocks[block.block()];
  auto head = head_bytes({block.block(), expected.pages, expected.id});
  std::memcpy(to, head.data(), head.size());
  std::memcpy(to + head.size(), block.payload().data(), block.payload().size());
  return ok();
}

Result<void> SealedWriter::wait_for_sync() {
  return sync_.valid() ? sync_.get() : ok();
}

/// The disk works on one commit while the next one is gathered. No commit is written before the one
/// before it is synced: roll_back relies on it.
Result<void> SealedWriter::commit() {
  auto& [env, txn, table] = *environment_;
  broken_ = true;
  std::lock_guard copied{copies_};
  TROUPE_TRY(wait_for_sync());
  int fd = -1;
  mdb_env_get_fd(env, &fd);
  int code = 0;
  {
    EarlyWrites early{fd};
    code = mdb_txn_commit(std::exchange(txn, nullptr));
  }
  if (code != 0) {
    auto error = lmdb_error(code, fmt::format("{} cannot be written", paths_.blocks()));
    if (code == ENOSPC || code == EDQUOT)
      error.hint = "free space on that disk and start again; what was synced is kept";
    return error;
  }
  broken_ = false;
  uncommitted_ = 0;
  MDB_envinfo info{};
  mdb_env_info(env, &info);
  sync_ = std::async(std::launch::async, [this, fd, number = info.me_last_txnid]() -> Result<void> {
    if (::fdatasync(fd) != 0)
      return errno_error(errno, fmt::format("{} cannot be synced", paths_.blocks()));
    // In place: twenty bytes of one sector are written whole or not at all, and a file that does
    // not change its length is synced in one write.
    auto text = fmt::format("{:020}", number);
    if (::pwrite(synced_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(synced_.get()) != 0)
      return errno_error(errno, fmt::format("{} cannot be written", paths_.synced()));
    return ok();
  });
  return ok();
}

Result<void> SealedWriter::write_image(uint64_t blocks_file_bytes) const {
  auto& [env, txn, table] = *environment_;
  if (int code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn))
    return lmdb_error(code, fmt::format("{} cannot be read", paths_.blocks()));
  auto walk = walk_blocks(txn, *manifest_, blocks_file_bytes, paths_.blocks());
  if (!walk) return std::move(walk).error();
  auto payload = [&](uint32_t block) {
    return std::string_view{walk->payloads[block], manifest_->blocks[block].bytes()};
  };
  auto image = erofs_image({*manifest_, [&](uint32_t block) { return walk->page(block); }, payload,
                            blocks_file_bytes, version_});
  // Too large for the kernel's format: such a version has no mount, and records all the same.
  if (!image) return ok();
  return replace_file(paths_.image(), *image, 0444);
}

/// LMDB leaves pages at the end unwritten that it gave back; readers count on a whole last page.
Result<void> SealedWriter::close_blocks() {
  TROUPE_TRY(begin_commit());
  TROUPE_TRY(commit());
  TROUPE_TRY(wait_for_sync());
  MDB_envinfo info{};
  mdb_env_info(environment_->env, &info);
  TROUPE_TRY(write_image((info.me_last_pgno + 1) * limits::page_bytes));
  environment_.reset();
  auto fd = open_file(paths_.blocks(), O_RDWR);
  if (!fd) return std::move(fd).error();
  auto bytes = static_cast<off_t>((info.me_last_pgno + 1) * limits::page_bytes);
  if (::ftruncate(fd->get(), bytes) != 0 || ::fchmod(fd->get(), 0444) != 0 ||
      ::fsync(fd->get()) != 0)
    return errno_error(errno, fmt::format("{} cannot be sealed", paths_.blocks()));
  return ok();
}

Result<void> SealedWriter::write_seal() const {
  auto seal = seal_of(paths_.blocks());
  if (!seal) return std::move(seal).error();
  TROUPE_TRY(replace_file(paths_.seal(), seal_bytes(*seal), 0444));
  return replace_file(paths_.manifest(), manifest_bytes(*manifest_), 0444);
}

Result<SealedPaths> SealedWriter::seal() {
  TROUPE_ASSERT(environment_ != nullptr, "sealed already");
  if (auto lacking = missing(); !lacking.empty())
    return Error{Errc::conflict, fmt::format("{} cannot be sealed", paths_.folder),
                 fmt::format("{} of {} blocks have not come", lacking.size(), has_.size()),
                 "bring the missing blocks first"};
  TROUPE_TRY(close_blocks());
  TROUPE_TRY(write_seal());
  if (::unlink(paths_.synced().c_str()) != 0 && errno != ENOENT)
    return errno_error(errno, fmt::format("{} cannot be sealed", paths_.folder));
  TROUPE_TRY(sync_folder(folder_.get(), paths_.folder));
  auto sealed = sealed_paths(dir_, version_);
  if (::rename(paths_.folder.c_str(), sealed.folder.c_str()) != 0)
    return errno_error(errno, fmt::format("{} cannot be sealed", paths_.folder));
  auto dir = open_file(dir_, O_RDONLY | O_DIRECTORY);
  if (!dir) return std::move(dir).error();
  TROUPE_TRY(sync_folder(dir->get(), dir_));
  folder_.reset();
  return sealed;
}

Result<void> SealedWriter::discard(const std::string& dir, const ContentId& version) {
  return remove_tree(filling_paths(dir, version).folder);
}

}  // namespace troupe::dataset
