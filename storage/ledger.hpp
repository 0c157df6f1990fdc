// The ledger: the head's truth about what was asked and what became of it, on LMDB in
// `<dir>/ledger/`. Tables, their indices and the numbered event log change together in one durable
// transaction.
//
//   commit()  one writer thread (the ledger actor's); returns when the change is on the disk
//   reads     any thread, each on its own snapshot; never wait for the writer
//
// Nothing is cached: memory does not grow with history, and opening reads a handful of pages.
#pragma once

#include "runtime/core/dataset.hpp"
#include "runtime/core/record.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace troupe::storage {

/// Writes an experiment. Its spec is stored only with `is_new` and where it is no member: a member
/// shows its set's spec.
struct PutExperiment {
  std::shared_ptr<const ExperimentRecord> record;
  bool is_new = false;
};
/// Writes a set; its specs are stored only with `is_new`.
struct PutSet {
  std::shared_ptr<const SetRecord> record;
  bool is_new = false;
};
/// The next page of what the search of a set was told and decided; pages are numbered from 0.
struct PutSearch {
  uint64_t top = 0;
  uint64_t page = 0;
  std::vector<SearchEntry> entries;
};
/// The number is given at commit; the one in `event` is not looked at.
struct AppendEvent {
  Event event;
};
/// What an idempotency key of a user stands for.
struct PutKey {
  std::string user, key;
  ExperimentId id;
  bool is_set = false;
  uint64_t size = 1;
};
/// A token, known by the SHA-256 of its text (64 hexadecimal digits). `expires` zero: never.
struct PutToken {
  std::string sha256;
  std::string user;
  bool admin = false;
  std::string label;
  Timestamp expires;
};
struct DropToken {
  std::string sha256;
};
struct PutUser {
  std::string name;
  bool admin = false;
  Timestamp created;
};
/// A new version of a dataset, with the number it shall have.
struct PutDataset {
  DatasetVersion version;
};
/// Forgets a version and its tags; its number is not given again.
struct DropDataset {
  std::string name;
  uint32_t version = 0;
};
/// Lets a tag stand for a version; 0 removes it.
struct PutTag {
  std::string name, tag;
  uint32_t version = 0;
};
/// A named text of the head's own: settings, counters. An empty value removes it.
struct PutMeta {
  std::string name, value;
};
using Mutation = std::variant<PutExperiment, PutSet, AppendEvent, PutKey, PutToken, DropToken,
                              PutUser, PutMeta, PutDataset, DropDataset, PutTag, PutSearch>;

/// Numbers of the events a commit appended; both 0 where there were none.
struct Committed {
  uint64_t first_event = 0;
  uint64_t last_event = 0;
};

struct ListQuery {
  std::optional<std::string> project;
  std::optional<State> state;
  std::optional<ExperimentId> set;  // the members of this set, lowest number first
  bool live = false;                // only what has not ended
  uint32_t limit = 50;              // at most limits::page_max
  std::string page_token;           // empty: from the newest
};
using ListEntry = std::variant<ExperimentRecord, SetRecord>;
struct ListPage {
  std::vector<ListEntry> entries;
  std::string next_page_token;  // empty: the end. A page may be short and still not be the last.
};

struct EventsRead {
  std::vector<Event> events;  // oldest first
  uint64_t last = 0;          // the newest there was
};

/// Some pages of a search; no entries: there are no more.
struct SearchPages {
  std::vector<SearchEntry> entries;
  uint64_t next = 0;  // the page behind them
};

struct KeyRecord {
  ExperimentId id;
  bool is_set = false;
  uint64_t size = 1;
};
struct UserRecord {
  bool admin = false;
  Timestamp created;
};

struct DatasetPage {
  std::vector<DatasetVersion> versions;
  std::string next_page_token;  // empty: the end
};

struct LedgerOptions {
  std::string dir;  // the ledger lies in `<dir>/ledger/`
  /// Upper end of the file. Only address space until it is used.
  uint64_t map_bytes = 64ull << 30;
  /// Kept back on the disk, and given up when it is full, so that kills can still be written.
  uint64_t reserve_bytes = 16ull << 20;
};

class Ledger {
 public:
  /// Codes: conflict (another process, or this one, has it open), invalid (written by a newer
  /// version; nothing was touched), corrupt (with what to do), exhausted, io.
  static Result<std::unique_ptr<Ledger>> open(LedgerOptions options);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// All or nothing, and durable on return. On `exhausted` (disk or map full) the ledger is as it
  /// was, can be read, and takes commits again once there is space. One thread at a time.
  Result<Committed> commit(std::span<const Mutation> mutations);

  /// How often this ledger was opened, this time included.
  uint64_t generation() const { return generation_; }
  /// One more than the highest top-level id there is.
  uint64_t next_top() const;
  /// The newest event number; 0 where there is none.
  uint64_t last_event() const;

  Result<std::optional<ExperimentRecord>> experiment(ExperimentId id) const;
  Result<std::optional<SetRecord>> set(uint64_t top) const;
  /// The experiment, member or set with this id.
  Result<std::optional<ListEntry>> find(ExperimentId id) const;

  /// Top-level entries newest first; with `set` its members that have records, lowest first.
  /// Bounded work a page.
  Result<ListPage> list(const ListQuery& query) const;
  /// What has not ended: experiments, members and sets, oldest first.
  Result<std::vector<ExperimentId>> live() const;
  /// Members with records, numbers from `from` on.
  Result<std::vector<ExperimentRecord>> members(uint64_t top, uint32_t from, uint32_t limit) const;
  /// What the search of a set was told and decided: some pages from this one on.
  Result<SearchPages> search(uint64_t top, uint64_t page) const;
  /// Events with numbers above `after`, oldest first.
  Result<std::vector<Event>> events(uint64_t after, uint32_t limit) const;
  /// The same for who waits for more: all that are not in it, and come behind it, have numbers
  /// above its `last`.
  Result<EventsRead> read_events(uint64_t after, uint32_t limit) const;
  Result<std::optional<KeyRecord>> idempotent(const std::string& user,
                                              const std::string& key) const;
  Result<std::optional<PutToken>> token(const std::string& sha256) const;
  /// Every token, in no particular order; at most `limit`.
  Result<std::vector<PutToken>> tokens(uint32_t limit = 1000) const;
  /// The version that `which` stands for: a number, a tag, or the newest where it is empty.
  Result<std::optional<DatasetVersion>> dataset(const std::string& name,
                                                const std::string& which) const;
  /// The newest version of each dataset, by name.
  /// `with_outputs`: also "41/out" and the like.
  Result<DatasetPage> datasets(uint32_t limit, const std::string& page_token = {},
                               bool with_outputs = false) const;
  /// All versions of one, newest first.
  Result<std::vector<DatasetVersion>> dataset_versions(const std::string& name) const;
  Result<std::map<std::string, uint32_t>> dataset_tags(const std::string& name) const;
  /// The highest number a version of it ever had; 0: none.
  Result<uint32_t> dataset_highest(const std::string& name) const;
  Result<std::optional<UserRecord>> user(const std::string& name) const;
  Result<std::optional<std::string>> meta(const std::string& name) const;
  /// The newest top-level id of a user in a project.
  Result<std::optional<ExperimentId>> last(const std::string& user,
                                           const std::string& project) const;

 private:
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
  uint64_t generation_ = 0;
};

}  // namespace troupe::storage
