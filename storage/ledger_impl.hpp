// What a ledger is made of, for the files that read from it: ledger.cpp and ledger_datasets.cpp.
#pragma once

#include "storage/ledger.hpp"
#include "storage/ledger_writer.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/record_codec.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace troupe::storage {

struct Ledger::Impl {
  /// Specs of recently read tops, by top modulo the number of slots. Bounded, whatever the history.
  struct Slot {
    uint64_t top = 0;
    SpecPair specs;
  };

  std::unique_ptr<Env> env;
  std::atomic<uint64_t> next_top{1};
  std::atomic<uint64_t> last_event{0};
  std::mutex mutex;  // over slots
  std::array<Slot, 64> slots;

  Result<uint64_t> start();
  Result<std::optional<std::string_view>> get(const ReadTxn& txn, LedgerTable table,
                                              const Key& key) const;
  Result<SpecPair> specs(const ReadTxn& txn, uint64_t top);
  void forget(const std::vector<uint64_t>& tops);
  Result<std::optional<ExperimentRecord>> experiment(const ReadTxn& txn, ExperimentId id);
  Result<std::optional<SetRecord>> set(const ReadTxn& txn, uint64_t top);
  Result<std::optional<ListEntry>> find(const ReadTxn& txn, ExperimentId id);
  Result<ListPage> tops(const ListQuery& query, uint32_t limit);
  Result<ListPage> set_members(const ListQuery& query, uint32_t limit);
};

}  // namespace troupe::storage
