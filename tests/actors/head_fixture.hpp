// A head on CAF's test scheduler: one thread, virtual time, a real ledger in a folder that
// vanishes, and nodes that only remember what they were told.
#pragma once

#include "actors/head/commit.hpp"
#include "actors/head/datasets.hpp"
#include "actors/head/director.hpp"
#include "actors/head/ledger.hpp"
#include "actors/head/scheduler.hpp"
#include "runtime/cluster/config.hpp"
#include "tests/actors/records.hpp"
#include "tests/temp_dir.hpp"

#include <caf/scheduler/test_coordinator.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct TestConfig : cluster::Config {
  TestConfig() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.inline-output", true);
  }
};

/// What a fake node was told, in order.
struct NodeProbe {
  std::vector<JobOrder> started;
  std::vector<std::pair<JobKey, uint32_t>> stopped;
  std::vector<std::pair<JobKey, uint32_t>> phases;
  std::vector<uint16_t> first_ports;  // with the newest of these
  std::vector<JobKey> forgotten;
  std::vector<CacheWishes> wishes;
  std::vector<CheckpointDrop> dropped;
};

node_actor::behavior_type fake_node(node_actor::pointer self, std::shared_ptr<NodeProbe> probe);

/// Stands before the ledger actor. While it is held, what is asked for waits, as behind a disk that
/// hangs; flush_atom lets all of it go on in order.
struct LedgerGate {
  bool held = false;
  std::vector<std::function<void()>> waiting;
};
ledger_actor::behavior_type gated_ledger(ledger_actor::pointer self,
                                         std::shared_ptr<LedgerGate> gate, ledger_actor ledger);

/// A director that only remembers what jobs tell it.
director_actor::behavior_type probe_director(director_actor::pointer self,
                                             std::shared_ptr<std::vector<JobUpdate>> updates);

/// Takes the metrics and drops them; knows whether any are not on the disk yet.
struct SeriesProbe {
  size_t unsynced = 0;
};
series_actor::behavior_type fake_series(series_actor::pointer self,
                                        std::shared_ptr<SeriesProbe> probe);

class ActorTest : public ::testing::Test {
 protected:
  ActorTest() : self{sys} {}

  /// Until nothing is left to do, commits that are collected for some milliseconds included.
  void run() {
    sched.run();
    for (int i = 0; i < 4; ++i) jump(milliseconds{5});
  }
  /// Moves both clocks. What becomes due runs once, at the end.
  void advance(std::chrono::nanoseconds by) {
    jump(by);
    run();
  }
  /// The answer of an actor, or its error.
  template <class T, class Handle, class... Ts>
  Result<T> ask(const Handle& handle, Ts&&... message) {
    auto pending = self->request(handle, caf::infinite, std::forward<Ts>(message)...);
    run();
    Result<T> result{Error{Errc::bug, "no answer", "", ""}};
    pending.receive([&](T& answer) { result = std::move(answer); },
                    [&](caf::error& e) { result = from_caf(e, "a test"); });
    return result;
  }
  /// Ends an actor; without it the system waits for it for ever.
  template <class Handle>
  void end(Handle& handle) {
    if (handle) caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
    run();
    destroy(handle);
  }

  void jump(std::chrono::nanoseconds by) {
    clock->advance(by);
    sched.advance_time(std::chrono::duration_cast<caf::timespan>(by));
    sched.run();
  }

  TempDir dir;
  std::shared_ptr<VirtualClock> clock = std::make_shared<VirtualClock>();
  TestConfig config;
  caf::actor_system sys{config};
  caf::scoped_actor self;
  caf::scheduler::test_coordinator& sched =
      dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
};

class HeadTest : public ActorTest {
 protected:
  void TearDown() override { stop_head(); }

  /// `expected`: nodes that recovery waits for.
  void start_head(std::vector<std::string> expected = {});
  void stop_head();
  void open_ledger();

  /// A node of this size says hello; its welcome is kept.
  std::shared_ptr<NodeProbe> join(const std::string& name, int64_t milli_cpus = 4000,
                                  std::vector<JobUpdate> jobs = {});
  Result<api::Submitted> submit(Submission submission);
  Result<api::Submitted> submit(ExperimentSpec spec) { return submit(Submission{spec, {}, ""}); }
  Result<bool> kill(ExperimentId id) {
    return ask<bool>(director, kill_atom_v, std::string{"killed by ada"}, id);
  }
  void report(const JobUpdate& update) {
    caf::anon_send(director, update_atom_v, update);
    run();
  }
  void report_running(const JobOrder& order) { report(update_for(order, JobStep::running)); }
  void report_exit(const JobOrder& order, int32_t code) {
    auto update = update_for(order, JobStep::ended);
    update.has_exit = true;
    update.exit_code = code;
    report(update);
  }
  JobUpdate update_for(const JobOrder& order, JobStep step);

  void release_ledger() {
    gate->held = false;
    caf::anon_send(ledger_gate, flush_atom_v);
  }

  /// What a node got of one experiment, the newest last.
  static std::vector<JobOrder> orders(const std::shared_ptr<NodeProbe>& node, uint64_t top);
  ExperimentRecord experiment(ExperimentId id);
  SetRecord set(uint64_t top);
  State state(ExperimentId id) { return experiment(id).state; }
  /// "QUEUED>PREPARING" for each state event of a subject.
  std::vector<std::string> story(const std::string& subject);
  void put(std::vector<storage::Mutation> mutations);
  /// A record with one attempt on these nodes, as it stands in the ledger while it runs.
  ExperimentRecord running_record(ExperimentId id, const std::vector<std::string>& nodes,
                                  uint64_t epoch);
  void put_new(ExperimentRecord record);

  std::shared_ptr<storage::Ledger> ledger;
  HeadContextRef context;
  /// Asked before each commit; an error is the commit's. Not set: every commit is written.
  std::function<std::optional<Error>(std::span<const storage::Mutation>)> commit_fault;
  schedule::Policy policy;                // to be set before the head starts
  std::shared_ptr<ReceiptBook> receipts;  // likewise; null: nobody measures
  std::shared_ptr<LedgerGate> gate = std::make_shared<LedgerGate>();
  ledger_actor ledger_writer;
  ledger_actor ledger_gate;  // what the others know as the ledger
  scheduler_actor scheduler;
  series_actor series;
  std::shared_ptr<SeriesProbe> points = std::make_shared<SeriesProbe>();
  dataset_actor datasets;
  std::vector<std::pair<std::string, cluster::BulkQuestion>>
      asked;  // of nodes, over the bulk channel
  director_actor director;
  std::vector<node_actor> nodes;
  NodeWelcome welcome;
};

}  // namespace troupe::actors
