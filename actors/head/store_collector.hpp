// gc: outputs that go by the rules, copies of outputs that nobody needs here, then what nothing
// names any more. One run; the keeper's thread, which it blocks. Each step leaves things as the
// next run, after a kill -9 too, expects them: first the ledger forgets a name, then its bytes go.
#pragma once

#include "actors/bulk_words.hpp"
#include "actors/head/head_context.hpp"
#include "actors/head/keeper_ports.hpp"
#include "actors/head/kept_books.hpp"
#include "client/api/storage_service.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe::actors {

class StoreCollector {
 public:
  /// Both must live as long.
  StoreCollector(const HeadContext& context, const KeeperPorts& ports)
      : context_{context}, ports_{ports} {}
  Result<api::Collection> collect(const api::CollectRequest& request);

 private:
  /// On which nodes an experiment has files, and how much there.
  using Kept = std::map<ExperimentId, std::map<std::string, KeptUse>>;

  void ask_nodes();
  Result<void> collect_outputs();
  Result<void> remove_outputs(ExperimentId id, const std::string& why, bool noted);
  Result<void> collect_copies();
  Result<void> collect_checkpoints();
  Result<CopyFacts> copy_facts(const DatasetVersion& copy, ExperimentId id) const;
  Result<void> collect_data(storage::FileTime than);
  Result<void> collect_code(storage::FileTime than);
  void collect_aside();
  void add(api::CollectedItem item);
  bool stopped() const { return *context_.closing; }

  const HeadContext& context_;
  const KeeperPorts& ports_;
  bool dry_run_ = false;
  Timestamp now_;
  api::Collection collection_;
  ExperimentBooks books_;
  Kept kept_;
  std::set<ExperimentId> outputs_gone_;
  std::set<std::string> forgotten_;  // titles of versions that go
  std::vector<DatasetVersion> versions_;
};

}  // namespace troupe::actors
