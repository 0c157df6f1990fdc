#include "storage/lmdb_env.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/log.hpp"
#include "storage/lmdb_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

constexpr size_t name_bytes_max = 120;        // two names and numbers stay below LMDB's 511
constexpr uint64_t room_step = 16ull << 20;   // blocks asked for at once: few, long extents
constexpr uint64_t room_margin = 4ull << 20;  // more than a commit of 1,000 mutations dirties
constexpr unsigned readers_max = 512;         // threads that read at the same time

}  // namespace

Key& Key::byte(uint8_t value) {
  text_ += static_cast<char>(value);
  return *this;
}

Key& Key::u32(uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) text_ += static_cast<char>(value >> shift);
  return *this;
}

Key& Key::u64(uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) text_ += static_cast<char>(value >> shift);
  return *this;
}

Key& Key::word(std::string_view text) {
  text_ += text;
  text_ += '\0';
  return *this;
}

Key& Key::name(std::string_view text) {
  if (text.size() <= name_bytes_max) {
    byte(static_cast<uint8_t>(text.size()));
    text_ += text;
  } else {
    byte(0xff);
    text_ += sha256_hex(text);
  }
  return *this;
}

uint32_t read_u32(std::string_view bytes, size_t at) {
  TROUPE_ASSERT(bytes.size() >= at + 4, "a key is too short");
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

uint64_t read_u64(std::string_view bytes, size_t at) {
  return uint64_t{read_u32(bytes, at)} << 32 | read_u32(bytes, at + 4);
}

Error Env::error(int number, std::string_view doing) const {
  auto what = fmt::format("{} in {}: {} failed", options_.title, options_.dir, doing);
  switch (number) {
    case ENOSPC:
    case EDQUOT: {
      struct statvfs disk {};
      auto free = ::statvfs(options_.dir.c_str(), &disk) == 0
                      ? fmt::format("{} bytes free", uint64_t{disk.f_bavail} * disk.f_frsize)
                      : std::string{"free space unknown"};
      return {Errc::exhausted, what,
              fmt::format("the disk that holds {} is full: {}", options_.dir, free),
              "free space on that disk and try again; nothing stored was lost"};
    }
    case MDB_MAP_FULL:
      return {Errc::exhausted, what,
              fmt::format("{} reached its limit of {} bytes", file("data.mdb"), options_.map_bytes),
              "raise the map size and start again; nothing stored was lost"};
    case MDB_READERS_FULL:
      return {Errc::unavailable, what, fmt::format("more than {} reads at once", readers_max),
              "try again"};
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
      return {Errc::corrupt, what, mdb_strerror(number),
              fmt::format("stop, keep a copy of {}, and restore it from a backup", options_.dir)};
    case MDB_PANIC:
      return {
          Errc::corrupt, what,
          "an earlier write failed half way; nothing is read or written before it is opened anew",
          "look at the disk and the system's log, and start again; what was acknowledged is there"};
    default:
      return {Errc::io, what, mdb_strerror(number), "look at the disk and the system's log"};
  }
}

Result<void> Env::lock() {
  auto fd = open_file(file("owner.lock"), O_RDWR | O_CREAT, 0600);
  if (!fd) return std::move(fd).error();
  lock_ = std::move(*fd);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return ok();
  if (errno == EWOULDBLOCK)
    return Error{Errc::conflict, fmt::format("{} in {} is in use", options_.title, options_.dir),
                 "another process has it open", "stop that one first, or use another folder"};
  return error(errno, "locking");
}

/// The number stands in a file of its own, so that a newer form is refused without LMDB touching
/// it.
Result<void> Env::check_version() {
  auto text = read_file(file("FORMAT"), 64);
  if (!text && text.error().code == Errc::not_found) {
    struct stat info {};
    if (::stat(file("data.mdb").c_str(), &info) == 0)
      return Error{Errc::corrupt,
                   fmt::format("{} in {} is not whole", options_.title, options_.dir),
                   "data.mdb is there and FORMAT is not", "restore the folder from a backup"};
    return replace_file(file("FORMAT"), fmt::format("{}\n", options_.version), 0644);
  }
  if (!text) return std::move(text).error();
  uint32_t version = 0;
  auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), version);
  if (code != std::errc{} || version == 0)
    return Error{Errc::corrupt, fmt::format("{} in {} is not whole", options_.title, options_.dir),
                 "FORMAT holds no number", "restore the folder from a backup"};
  if (version > options_.version)
    return Error{Errc::invalid,
                 fmt::format("{} in {} cannot be opened", options_.title, options_.dir),
                 fmt::format("it has version {}, this program knows {}", version, options_.version),
                 "use the newer program that wrote it; nothing was changed"};
  return ok();
}

/// A file that lost its end would raise SIGBUS in the middle of a read: find out first.
Result<void> Env::check_length() const {
  auto path = file("data.mdb");
  auto fd = open_file(path, O_RDONLY);
  if (!fd) {
    if (fd.error().code == Errc::not_found) return ok();
    return std::move(fd).error();
  }
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return error(errno, "looking at data.mdb");
  if (info.st_size == 0) return ok();  // killed before LMDB wrote its first page
  auto bad = [&](std::string detail) {
    return Error{Errc::corrupt, fmt::format("{} is damaged", path), std::move(detail),
                 fmt::format("keep a copy of {} and restore it from a backup", options_.dir)};
  };
  uint64_t page_size = 0, pages = 0, newest = 0;
  bool found = false;
  for (uint64_t i = 0; i < 2; ++i) {
    MetaPage meta{};
    auto offset = static_cast<off_t>(i * (page_size ? page_size : 4096));
    if (::pread(fd->get(), &meta, sizeof meta, offset) != sizeof meta)
      return bad(fmt::format("it has {} bytes, less than its first two pages", info.st_size));
    if (meta.magic != lmdb_magic) return bad("its first pages are not LMDB's");
    if (i == 0) page_size = meta.tables[0].page_size;
    if (page_size < 512 || page_size > 65536) return bad("its page size makes no sense");
    if (found && meta.txn < newest) continue;
    found = true;
    newest = meta.txn;
    pages = meta.last_page + 1;
  }
  if (static_cast<uint64_t>(info.st_size) / page_size < pages)
    return bad(fmt::format("it has {} bytes and should have at least {}", info.st_size,
                           pages * page_size));
  return ok();
}

Result<std::unique_ptr<Env>> Env::open(EnvOptions options) {
  TROUPE_TRY(make_dirs(options.dir, 0700));
  std::unique_ptr<Env> env{new Env{std::move(options)}};
  TROUPE_TRY(env->lock());
  TROUPE_TRY(env->check_version());
  TROUPE_TRY(env->check_length());
  if (int code = mdb_env_create(&env->env_)) return env->error(code, "opening");
  mdb_env_set_mapsize(env->env_, env->options_.map_bytes);
  mdb_env_set_maxdbs(env->env_, static_cast<MDB_dbi>(env->options_.tables.size()));
  mdb_env_set_maxreaders(env->env_, readers_max);
  // NORDAHEAD: reads are points and short ranges, and pages read ahead would count as our memory.
  unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
  if (!env->options_.sync_each) flags |= MDB_NOMETASYNC;
  if (int code = mdb_env_open(env->env_, env->options_.dir.c_str(), flags, 0600))
    return env->error(code, "opening");
  auto data = open_file(env->file("data.mdb"), O_RDWR);
  if (!data) return std::move(data).error();
  env->data_ = std::move(*data);
  struct stat info {};
  if (::fstat(env->data_.get(), &info) != 0) return env->error(errno, "opening");
  env->length_ = static_cast<uint64_t>(info.st_size);
  TROUPE_TRY(env->open_tables());
  env->keep_reserve();
  return env;
}

Env::~Env() {
  for (auto* txn : idle_) mdb_txn_abort(txn);
  if (env_) mdb_env_close(env_);
}

Result<void> Env::open_tables() {
  auto txn = WriteTxn::begin(*this);
  if (!txn) return std::move(txn).error();
  for (const auto* name : options_.tables) {
    MDB_dbi table = 0;
    if (int code = mdb_dbi_open(txn->get(), name, MDB_CREATE, &table))
      return error(code, "opening tables");
    tables_.push_back(table);
  }
  return txn->commit();
}

uint64_t Env::used_bytes() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(env_, &info);
  mdb_env_stat(env_, &stat);
  return (info.me_last_pgno + 1) * stat.ms_psize;
}

int Env::extend(uint64_t to) {
  if (::fallocate(data_.get(), 0, static_cast<off_t>(length_), static_cast<off_t>(to - length_)) ==
      0) {
    length_ = to;
    return 0;
  }
  if (errno != EOPNOTSUPP) return errno;
  return 0;  // the file grows as it is written
}

void Env::keep_reserve() {
  if (options_.reserve_bytes == 0) return;
  auto path = file("reserve");
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 &&
      static_cast<uint64_t>(info.st_size) >= options_.reserve_bytes)
    return;
  auto fd = open_file(path, O_RDWR | O_CREAT, 0600);
  if (fd && ::fallocate(fd->get(), 0, 0, static_cast<off_t>(options_.reserve_bytes)) == 0) return;
  ::unlink(path.c_str());
  log::warning("storage", "no reserve of {} bytes could be kept in {}", options_.reserve_bytes,
               options_.dir);
}

Result<void> Env::make_room(bool urgent) {
  auto used = used_bytes();
  if (used + room_margin <= length_) return ok();
  auto want = std::min(used + room_step, std::max(options_.map_bytes, used));
  if (want <= length_) return ok();
  int code = extend(want);
  if (code == 0) {
    keep_reserve();
    return ok();
  }
  if (code != ENOSPC && code != EDQUOT) return error(code, "making room");
  if (options_.reserve_bytes == 0) return ok();  // the commit itself will say so
  if (!urgent) return error(code, "making room");
  if (::unlink(file("reserve").c_str()) == 0)
    log::warning("storage", "the disk of {} is full: its reserve was given up", options_.dir);
  want = std::min(used + room_margin, want);
  if (want > length_) extend(want);  // where even this fails, what is left may be enough
  return ok();
}

Result<void> Env::sync() {
  if (int code = mdb_env_sync(env_, 1)) return error(code, "a sync");
  return ok();
}

Result<void> Env::commit(MDB_txn* txn) {
  if (int code = mdb_txn_commit(txn)) return error(code, "a commit");
  // Pages that a transaction took and gave back are counted but never written.
  auto used = used_bytes();
  if (used > length_) {
    struct stat info {};
    if (::fstat(data_.get(), &info) == 0) length_ = static_cast<uint64_t>(info.st_size);
    if (used > length_ && ::ftruncate(data_.get(), static_cast<off_t>(used)) == 0) length_ = used;
  }
  return ok();
}

Result<WriteTxn> WriteTxn::begin(Env& env) {
  MDB_txn* txn = nullptr;
  if (int code = mdb_txn_begin(env.get(), nullptr, 0, &txn)) return env.error(code, "a change");
  return WriteTxn{env, txn};
}

Result<ReadTxn> ReadTxn::begin(Env& env) {
  MDB_txn* txn = nullptr;
  {
    std::lock_guard guard{env.mutex_};
    if (!env.idle_.empty()) {
      txn = env.idle_.back();
      env.idle_.pop_back();
    }
  }
  if (txn) {
    if (mdb_txn_renew(txn) == 0) return ReadTxn{env, txn};
    mdb_txn_abort(txn);
    txn = nullptr;
  }
  if (int code = mdb_txn_begin(env.get(), nullptr, MDB_RDONLY, &txn))
    return env.error(code, "a read");
  return ReadTxn{env, txn};
}

ReadTxn::~ReadTxn() {
  if (!txn_) return;
  mdb_txn_reset(txn_);
  std::lock_guard guard{env_->mutex_};
  env_->idle_.push_back(txn_);
}

bool Cursor::move(MDB_cursor_op op) {
  if (!cursor_) return false;
  code_ = mdb_cursor_get(cursor_, &key_, &data_, op);
  return code_ == 0;
}

bool Cursor::at_least(std::string_view bytes) {
  key_ = val_of(bytes);
  return move(MDB_SET_RANGE);
}

bool Cursor::below(std::string_view bytes) {
  if (at_least(bytes)) return prev();
  return code_ == MDB_NOTFOUND && last();
}

}  // namespace troupe::storage
