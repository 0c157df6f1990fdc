// A thin owner over one LMDB environment: opening with a lock and checks, transactions, keys.
// LMDB's error numbers become an Error here and nowhere else. Default flags (synced commits) plus
// NOTLS.
#pragma once

#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"

#include <lmdb.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::storage {

struct EnvOptions {
  std::string dir;    // made where it is missing
  std::string title;  // "the ledger": begins errors
  uint64_t map_bytes = 0;
  uint64_t reserve_bytes = 0;  // 0: no reserve
  uint32_t version = 1;        // of the stored form
  /// Every commit survives a power cut. Otherwise the newest may be undone until sync(); what is
  /// stored stays whole either way.
  bool sync_each = true;
  std::vector<const char*> tables;
};

/// Growing keys: integers big-endian, so that they sort; names with their length, so that none is a
/// prefix of another.
class Key {
 public:
  Key& byte(uint8_t value);
  Key& u32(uint32_t value);
  Key& u64(uint64_t value);
  /// Up to 120 bytes as they are; longer ones by their SHA-256.
  Key& name(std::string_view text);
  /// Text without zero bytes and a zero: sorts as text does.
  Key& word(std::string_view text);
  MDB_val val() const { return {text_.size(), const_cast<char*>(text_.data())}; }
  std::string_view view() const { return text_; }

 private:
  std::string text_;
};
uint32_t read_u32(std::string_view bytes, size_t at);
uint64_t read_u64(std::string_view bytes, size_t at);

inline std::string_view view_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}
inline MDB_val val_of(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

class Env {
 public:
  static Result<std::unique_ptr<Env>> open(EnvOptions options);
  ~Env();
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  MDB_env* get() const { return env_; }
  MDB_dbi table(size_t index) const { return tables_[index]; }
  /// The one function that makes Errors of LMDB's and the system's numbers.
  Error error(int number, std::string_view doing) const;

  /// Makes room ahead of a commit: disk blocks for `margin` bytes beyond those used. `urgent` gives
  /// up the reserve where the disk is full; others are refused then.
  Result<void> make_room(bool urgent);
  /// Makes every earlier commit survive a power cut.
  Result<void> sync();
  /// Commits, synced, and keeps the file at least as long as its pages.
  Result<void> commit(MDB_txn* txn);

 private:
  friend class ReadTxn;
  explicit Env(EnvOptions options) : options_{std::move(options)} {}
  Result<void> lock();
  Result<void> check_version();
  Result<void> check_length() const;
  Result<void> open_tables();
  int extend(uint64_t to);
  void keep_reserve();
  uint64_t used_bytes() const;
  std::string file(const char* name) const { return options_.dir + "/" + name; }

  EnvOptions options_;
  UniqueFd lock_;
  UniqueFd data_;  // for its length only
  uint64_t length_ = 0;
  MDB_env* env_ = nullptr;
  std::vector<MDB_dbi> tables_;
  std::mutex mutex_;  // over idle_
  std::vector<MDB_txn*> idle_;
};

/// A write transaction; aborted unless committed.
class WriteTxn {
 public:
  static Result<WriteTxn> begin(Env& env);
  WriteTxn(WriteTxn&& other) noexcept
      : env_{other.env_}, txn_{std::exchange(other.txn_, nullptr)} {}
  WriteTxn& operator=(WriteTxn&&) = delete;
  ~WriteTxn() {
    if (txn_) mdb_txn_abort(txn_);
  }
  MDB_txn* get() const { return txn_; }
  Result<void> commit() { return env_->commit(std::exchange(txn_, nullptr)); }

 private:
  WriteTxn(Env& env, MDB_txn* txn) : env_{&env}, txn_{txn} {}
  Env* env_;
  MDB_txn* txn_;
};

/// A snapshot, from a pool: beginning one costs less than a microsecond.
class ReadTxn {
 public:
  static Result<ReadTxn> begin(Env& env);
  ReadTxn(ReadTxn&& other) noexcept : env_{other.env_}, txn_{std::exchange(other.txn_, nullptr)} {}
  ReadTxn& operator=(ReadTxn&&) = delete;
  ~ReadTxn();
  MDB_txn* get() const { return txn_; }

 private:
  ReadTxn(Env& env, MDB_txn* txn) : env_{&env}, txn_{txn} {}
  Env* env_;
  MDB_txn* txn_;
};

class Cursor {
 public:
  Cursor(MDB_txn* txn, MDB_dbi table) : code_{mdb_cursor_open(txn, table, &cursor_)} {}
  ~Cursor() {
    if (cursor_) mdb_cursor_close(cursor_);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  /// Each answers whether it stands on an entry; `code()` is 0 or MDB_NOTFOUND unless reading
  /// failed.
  bool first() { return move(MDB_FIRST); }
  bool last() { return move(MDB_LAST); }
  bool next() { return move(MDB_NEXT); }
  bool prev() { return move(MDB_PREV); }
  bool at_least(std::string_view bytes);
  /// The largest entry below `bytes`.
  bool below(std::string_view bytes);

  std::string_view key() const { return view_of(key_); }
  std::string_view data() const { return view_of(data_); }
  /// What went wrong, if anything did.
  int code() const { return code_ == MDB_NOTFOUND ? 0 : code_; }

 private:
  bool move(MDB_cursor_op op);
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{}, data_{};
  int code_;
};

}  // namespace troupe::storage
