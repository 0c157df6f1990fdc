// The public API over the actors of the head: reads are answered from snapshots of the ledger on
// the KJ thread, what changes something is asked of the director. Lives on the KJ thread of the
// gateway.
#pragma once

#include "actors/head/gateway_bridge.hpp"
#include "actors/head/gateway_gather.hpp"
#include "actors/head/gateway_trials.hpp"
#include "actors/head/head_context.hpp"
#include "client/api/service.hpp"
#include "runtime/cluster/bulk.hpp"

#include <kj/timer.h>

#include <list>
#include <memory>
#include <string>

namespace troupe::actors {

/// Asks a node for files of its jobs, wherever it is. Any thread; never blocks.
using AskNode = std::function<void(const std::string& node, cluster::BulkQuestion question)>;

struct GatewayPeers {
  director_actor director;
  registry_actor registry;
  code_actor code;
  dataset_actor datasets;
  keeper_actor keeper;
  search_checker_actor searches;
  AskNode ask_node;
  std::function<void(const std::string& node)> cut_node;
};

class GatewayService final : public api::Service {
 public:
  GatewayService(HeadContextRef context, GatewayPeers peers, caf::actor bridge, kj::Timer& timer);

  /// The ledger has events up to this number. On the KJ thread.
  void events_came(uint64_t last);

  Result<api::Caller> authenticate(const std::string& token) override;
  kj::Promise<Result<api::Submitted>> submit(const api::Caller& caller,
                                             Submission submission) override;
  kj::Promise<std::vector<Result<api::Submitted>>> submit_many(
      const api::Caller& caller, std::vector<Submission> submissions) override;
  kj::Promise<Result<api::Submitted>> rerun(const api::Caller& caller, ExperimentId id,
                                            api::RerunChanges changes) override;
  kj::Promise<Result<api::Entry>> kill(const api::Caller& caller, ExperimentId id) override;
  Result<api::Entry> show(const api::Caller& caller, ExperimentId id) override;
  Result<api::Listing> list(const api::Caller& caller, const api::ListQuery& query) override;
  Result<ExperimentId> last(const api::Caller& caller, const std::string& project) override;
  kj::Promise<Result<api::SearchReplay>> replay(const api::Caller& caller,
                                                ExperimentId set) override;
  kj::Promise<Result<api::Asked>> ask(const api::Caller& caller, ExperimentId set,
                                      api::AskRequest request) override;
  kj::Promise<Result<api::Told>> tell(const api::Caller& caller, ExperimentId set,
                                      api::TellRequest request) override;
  Result<std::vector<api::Trial>> pending_trials(const api::Caller& caller,
                                                 ExperimentId set) override;
  kj::Promise<Result<bool>> change_set(const api::Caller& caller, ExperimentId set,
                                       api::SetChange change) override;
  kj::Promise<Result<api::Waiting>> why(const api::Caller& caller, ExperimentId id) override;
  kj::Promise<Result<api::LogChunk>> logs(const api::Caller& caller, const JobId& job,
                                          uint64_t offset, uint32_t limit, bool wait) override;
  kj::Promise<Result<uint64_t>> log_tail_offset(const api::Caller& caller, const JobId& job,
                                                uint32_t lines) override;
  Result<std::vector<std::string>> metric_names(const api::Caller& caller,
                                                ExperimentId id) override;
  Result<std::vector<api::MetricPoint>> metric(const api::Caller& caller, ExperimentId id,
                                               const std::string& name, uint32_t limit) override;
  kj::Promise<Result<api::OutputList>> outputs(const api::Caller& caller, ExperimentId id,
                                               std::string page_token, uint32_t limit) override;
  kj::Promise<Result<api::FileChunk>> read_output(const api::Caller& caller, ExperimentId id,
                                                  std::string path, uint64_t offset,
                                                  uint32_t limit) override;
  Result<std::vector<std::string>> missing_blobs(const api::Caller& caller,
                                                 std::vector<std::string> digests) override;
  kj::Promise<Result<void>> put_blob(const api::Caller& caller, std::string digest,
                                     std::string bytes) override;
  kj::Promise<Result<std::string>> put_manifest(const api::Caller& caller,
                                                std::string text) override;
  Result<std::string> get_manifest(const api::Caller& caller, const std::string& digest) override;
  Result<api::FileChunk> get_blob(const api::Caller& caller, const std::string& digest,
                                  uint64_t offset, uint32_t limit) override;
  Result<std::vector<std::string>> missing_blocks(const api::Caller& caller,
                                                  const std::vector<std::string>& digests) override;
  kj::Promise<Result<void>> put_block(const api::Caller& caller, std::string digest,
                                      std::string bytes) override;
  Result<api::FileChunk> get_block(const api::Caller& caller, const std::string& digest,
                                   uint64_t offset, uint32_t limit) override;
  kj::Promise<Result<DatasetVersion>> push_version(const api::Caller& caller,
                                                   api::DatasetPush push);
  kj::Promise<Result<DatasetVersion>> push_outputs(const api::Caller& caller,
                                                   api::DatasetPush push);
  kj::Promise<Result<DatasetVersion>> push_dataset(const api::Caller& caller,
                                                   api::DatasetPush push) override;
  Result<std::string> dataset_manifest(const api::Caller& caller, const std::string& name,
                                       const std::string& which) override;
  Result<api::DatasetListing> datasets(const api::Caller& caller, uint32_t limit,
                                       const std::string& page_token) override;
  Result<api::DatasetView> dataset(const api::Caller& caller, const std::string& name) override;
  Result<DatasetVersion> dataset_version(const api::Caller& caller, const std::string& name,
                                         const std::string& which) override;
  kj::Promise<Result<void>> drop_dataset(const api::Caller& caller, std::string name,
                                         uint32_t version) override;
  kj::Promise<Result<void>> tag_dataset(const api::Caller& caller, std::string name,
                                        std::string tag, uint32_t version) override;
  kj::Promise<Result<void>> drain_node(const api::Caller& caller, std::string node,
                                       bool drained) override;
  kj::Promise<Result<void>> label_node(const api::Caller& caller, std::string node,
                                       std::map<std::string, std::string> labels) override;
  Result<void> remove_node(const api::Caller& caller, const std::string& node) override;
  Result<std::string> join_token(const api::Caller& caller, Duration life) override;
  kj::Promise<Result<std::vector<api::NodeView>>> nodes(const api::Caller& caller) override;
  std::vector<api::CachedVersion> dataset_nodes(const api::Caller& caller,
                                                const std::string& digest) override;
  kj::Promise<Result<std::vector<api::CachedVersion>>> warm_dataset(
      const api::Caller& caller, std::string name, std::string which,
      std::vector<std::string> nodes) override;
  kj::Promise<Result<api::StoreCheck>> check_store(const api::Caller& caller,
                                                   api::StoreCheckRequest request) override;
  kj::Promise<Result<api::Collection>> collect_store(const api::Caller& caller,
                                                     api::CollectRequest request) override;
  kj::Promise<Result<api::StoreUse>> store_use(const api::Caller& caller, bool nodes) override;
  Result<api::EventPage> events(const api::Caller& caller, uint64_t after, uint32_t limit) override;
  kj::Promise<void> events_after(uint64_t after) override;
  std::string metrics_page() override;
  std::string version() override;

 private:
  struct Waiter {
    uint64_t after;
    kj::Own<kj::PromiseFulfiller<void>> fulfiller;
  };

  Result<api::Entry> entry(const api::Caller& caller, ExperimentId id);
  Result<ExperimentRecord> experiment(const api::Caller& caller, ExperimentId id);
  Result<api::Entry> unborn_member(ExperimentId id);
  std::vector<std::string> search_story(ExperimentId id);
  Result<api::Caller> authenticate_job(const std::string& token);
  void add_unborn(const api::ListQuery& query, api::Listing& listing);
  kj::Promise<Result<api::LogChunk>> logs_elsewhere(ExperimentRecord record, uint64_t offset,
                                                    bool wait);
  kj::Promise<Result<node_actor>> node(const std::string& name);
  kj::Promise<Result<cluster::BulkAnswer>> fetch(const std::string& node,
                                                 cluster::BulkRequest request);
  kj::Promise<Result<api::LogChunk>> read_log(const std::string& node, const JobId& job,
                                              uint64_t offset, uint32_t limit);
  kj::Promise<Result<api::LogChunk>> await_log(const std::string& node, const JobId& job,
                                               uint64_t offset, uint32_t limit, bool wait,
                                               bool over);
  kj::Promise<Result<std::vector<Result<api::Submitted>>>> submit_batch(SubmitBatch batch);
  kj::Promise<Result<TrialAnswersRef>> ask_set(TrialCalls calls);
  void name_datasets(std::vector<api::CachedVersion>& versions);

  HeadContextRef context_;
  GatewayPeers peers_;
  Bridge bridge_;
  kj::Timer& timer_;
  std::map<std::string, std::string> dataset_names_;  // "digits:3", by digest
  std::optional<std::chrono::nanoseconds> dataset_names_at_;
  std::list<Waiter> waiters_;
  SubmitGather gather_;
  TrialGather trials_;
};

}  // namespace troupe::actors
