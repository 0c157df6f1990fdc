// Mutations to puts inside one write transaction, indices included. Made for one commit; the
// writer's thread.
//
// The index table has one entry for each way a list is asked for, named by its first byte:
//
//   S state top            P project top        Q project state top     L top          (live)
//   M project top (live)   U user project top   T top state member      V top member   (live, all)
#pragma once

#include "storage/ledger.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/record_codec.hpp"

#include <string_view>

namespace troupe::storage {

/// Order of LedgerTables: never changed, only added to.
enum LedgerTable : size_t {
  table_meta,
  table_experiments,
  table_sets,
  table_specs,
  table_tops,
  table_index,
  table_events,
  table_keys,
  table_tokens,
  table_users,
  table_datasets,
  table_search,
};

Key experiment_key(ExperimentId id);
// The table of datasets holds three kinds of rows: versions, what a tag stands for, and the highest
// number that a name ever had.
Key version_key(std::string_view name, uint32_t version);
Key tag_key(std::string_view name, std::string_view tag);
Key highest_key(std::string_view name);
/// First part of the index entries that answer a list of tops; the top follows.
Key top_index(const std::optional<std::string>& project, std::optional<State> state, bool live);

class LedgerWriter {
 public:
  LedgerWriter(Env& env, MDB_txn* txn, uint64_t last_event)
      : env_{env}, txn_{txn}, last_event_{last_event} {}

  Result<void> apply(const Mutation& mutation);
  uint64_t last_event() const { return last_event_; }
  uint64_t highest_top() const { return highest_top_; }
  /// Tops whose specs were written: cached copies of them are old.
  const std::vector<uint64_t>& respecified() const { return respecified_; }

 private:
  Result<void> one(const PutExperiment& put);
  Result<void> one(const PutSet& put);
  Result<void> one(const AppendEvent& append);
  Result<void> one(const PutKey& put);
  Result<void> one(const PutDataset& put);
  Result<void> one(const DropDataset& drop);
  Result<void> one(const PutTag& put);
  Result<void> one(const PutToken& put);
  Result<void> one(const DropToken& drop);
  Result<void> one(const PutUser& put);
  Result<void> one(const PutMeta& put);
  Result<void> one(const PutSearch& put);

  Result<void> put(LedgerTable table, const Key& key, std::string_view bytes, unsigned flags = 0);
  Result<void> put(LedgerTable table, const Key& key, RowBuilder& row, unsigned flags = 0);
  Result<void> drop(LedgerTable table, const Key& key);
  Result<std::optional<std::string_view>> get(LedgerTable table, const Key& key) const;
  Result<void> put_specs(uint64_t top, const ExperimentSpec& spec, const SweepSpec* sweep);
  Result<void> reindex(ExperimentId id, const std::optional<RowHead>& before, const RowHead& now);
  Result<void> index(const Key& key, bool add);

  Env& env_;
  MDB_txn* txn_;
  uint64_t last_event_;
  uint64_t highest_top_ = 0;
  std::vector<uint64_t> respecified_;
};

}  // namespace troupe::storage
