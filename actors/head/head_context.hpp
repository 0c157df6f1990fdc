// What every actor of the head is given: time, the stores to read from, and facts fixed at the
// start. Nothing in it changes while the head runs; it outlives the actors.
#pragma once

#include "actors/head/node_failures.hpp"
#include "actors/head/note_box.hpp"
#include "actors/head/receipt_book.hpp"
#include "actors/head/replicas.hpp"
#include "actors/head/report_audit.hpp"
#include "actors/messages.hpp"
#include "runtime/cluster/bulk.hpp"
#include "runtime/cluster/join_desk.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/metric_registry.hpp"
#include "runtime/core/node_rules.hpp"
#include "runtime/core/retention_rules.hpp"
#include "storage/code_store.hpp"
#include "storage/dataset/dataset_store.hpp"
#include "storage/ledger.hpp"
#include "storage/series_store.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe::actors {

struct HeadContext {
  std::string dir;  // where all of it lies
  std::shared_ptr<Clock> clock;
  std::shared_ptr<storage::Ledger> ledger;       // reads only, except by the ledger actor
  std::shared_ptr<storage::SeriesStore> series;  // reads only, except by the series actor
  std::shared_ptr<storage::CodeStore> code;
  std::shared_ptr<dataset::DatasetStore> data;
  std::shared_ptr<MetricRegistry> metrics;
  std::shared_ptr<ReportAudit> audit;
  /// Asks a node over the bulk channel; any thread. Empty where there is no such channel.
  std::function<void(const std::string& node, cluster::BulkQuestion question)> ask_node;
  /// Copies of checkpoints that nodes have made: no use where all nodes are this machine.
  bool keeps_checkpoints = true;
  /// Actors that compute for long have threads of their own. Not where everything is to happen in
  /// one order, as in tests.
  bool own_threads = false;
  std::shared_ptr<cluster::JoinDesk> joins;  // null: no other machine can join
  std::shared_ptr<Replicas> replicas = std::make_shared<Replicas>();
  std::shared_ptr<NoteBox> notes = std::make_shared<NoteBox>();
  std::shared_ptr<NodeFailureBox> failures = std::make_shared<NodeFailureBox>();
  std::shared_ptr<ReceiptBook> receipts;  // null: nobody measures
  NodeRules rules;
  RetentionRules retention;
  /// The head is being stopped: whoever blocks for long ends.
  std::shared_ptr<std::atomic<bool>> closing = std::make_shared<std::atomic<bool>>(false);
  std::string secret;                       // key of job tokens
  std::vector<std::string> expected_nodes;  // recovery waits for these
  // What the ledger actor writes with; empty: ledger->commit. Tests put failures here.
  std::function<Result<storage::Committed>(std::span<const storage::Mutation>)> commit;
  std::function<void(uint64_t)>
      on_events;  // called from the ledger actor with the newest event number
};
using HeadContextRef = std::shared_ptr<const HeadContext>;

/// The token of one job: proves its own id, so the head keeps no list. `job` as in
/// to_string(JobId).
inline std::string job_token(const std::string& secret, ExperimentId experiment, uint64_t epoch) {
  auto id = to_string(experiment) + "-" + std::to_string(epoch);
  return "tj_" + id + "_" + hmac_sha256_hex(secret, "job " + id);
}

}  // namespace troupe::actors
