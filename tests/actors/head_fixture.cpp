#include "tests/actors/head_fixture.hpp"

namespace troupe::actors {

node_actor::behavior_type fake_node(node_actor::pointer, std::shared_ptr<NodeProbe> probe) {
  return {
      [probe](start_atom, const JobOrder& order) { probe->started.push_back(order); },
      [probe](stop_atom, const JobKey& key, uint32_t grace) {
        probe->stopped.emplace_back(key, grace);
      },
      [probe](phase_atom, const JobKey& key, const PhaseStart& start) {
        probe->phases.emplace_back(key, start.phase);
        probe->first_ports = start.first_ports;
      },
      [probe](forget_atom, const JobKey& key) { probe->forgotten.push_back(key); },
      [](log_atom, const JobId&, uint64_t, bool) { return LogStatus{}; },
      [](known_atom, const RunStatusesRef&) {},
      [](launched_atom, const RunStatusRef&) {},
      [](logged_atom, const std::string&, uint64_t) {},
      [](gone_atom, const JobKey&) {},
      [](devices_atom, const GpuReport&) {},
      [](devices_atom, const JobKey&, const std::string&) {},
      [](stuck_atom, const RunStatusRef&) {},
      [probe](fetch_atom, const CacheWishes& wishes) { probe->wishes.push_back(wishes); },
      [probe](forget_atom, const CheckpointDrop& drop) { probe->dropped.push_back(drop); },
      [](tick_atom) {},
      [](lease_atom, int64_t) {},
      [](linked_atom, const std::string&) {},
      [](leave_atom) {},
      [](status_atom) { return std::string{"fake"}; },
  };
}

ledger_actor::behavior_type gated_ledger(ledger_actor::pointer self,
                                         std::shared_ptr<LedgerGate> gate, ledger_actor ledger) {
  auto pass = [self, gate, ledger](auto atom, const MutationsRef& mutations) {
    auto promise = self->make_response_promise<uint64_t>();
    auto go_on = [=]() mutable {
      self->request(ledger, caf::infinite, atom, mutations)
          .then([=](uint64_t newest) mutable { promise.deliver(newest); },
                [=](caf::error& e) mutable { promise.deliver(e); });
    };
    if (gate->held)
      gate->waiting.emplace_back(std::move(go_on));
    else
      go_on();
    return promise;
  };
  return {
      [pass](commit_atom atom, const MutationsRef& mutations) { return pass(atom, mutations); },
      [pass](later_atom atom, const MutationsRef& mutations) { return pass(atom, mutations); },
      [self, gate, ledger](note_atom) {
        auto go_on = [=] { self->send(ledger, note_atom_v); };
        if (gate->held)
          gate->waiting.emplace_back(go_on);
        else
          go_on();
      },
      [gate](flush_atom) {
        for (auto& go_on : std::exchange(gate->waiting, {})) go_on();
      },
      [](status_atom) { return std::string{"gate"}; },
  };
}

director_actor::behavior_type probe_director(director_actor::pointer,
                                             std::shared_ptr<std::vector<JobUpdate>> updates) {
  return {
      [](submit_atom, const SubmitRef&) { return SubmittedRef{}; },
      [](kill_atom, const std::string&, ExperimentId) { return false; },
      [](member_atom, const RecordRef&) {},
      [](stop_atom, const std::string&, ExperimentId) {},
      [](pause_atom, const std::string&, ExperimentId) {},
      [](resume_atom, ExperimentId) {},
      [](change_atom, const std::string&, uint64_t, const SetChangeRef&) -> caf::result<bool> {
        return true;
      },
      [](placed_atom, const PlacementRef&) {},
      [](preempt_atom, ExperimentId, const std::string&) {},
      [](wish_atom, const std::string&, const CacheWishesRef&) {},
      [updates](update_atom, const JobUpdate& update) { updates->push_back(update); },
      [](metrics_atom, const MetricBatch&) {},
      [updates](update_atom, const std::string&, const JobUpdate& update) {
        updates->push_back(update);
      },
      [](metrics_atom, const std::string&, const MetricBatch&) {},
      [](hello_atom, const NodeHello&, const node_actor&) { return NodeWelcome{}; },
      [](recovery_atom) {},
      [](lost_atom, const std::string&, int64_t) {},
      [](ended_atom, const RecordRef&) {},
      [](requeue_atom, const RecordRef&, int64_t) {},
      [](lease_atom, const RecordRef&) {},
      [](set_ended_atom, uint64_t) {},
      [](pending_atom, ExperimentId, int64_t) {},
      [](find_atom, ExperimentId) {},
      [](ask_atom, const TrialCallsRef&) { return TrialAnswersRef{}; },
      [](why_atom, ExperimentId) { return WaitingRef{}; },
      [](drain_atom, const std::string&) { return uint64_t{0}; },
      [](status_atom) { return std::string{"probe"}; },
  };
}

series_actor::behavior_type fake_series(series_actor::pointer, std::shared_ptr<SeriesProbe> probe) {
  return {
      [probe](metrics_atom, const ChunksRef& chunks) { probe->unsynced += chunks->size(); },
      [](flush_atom) {},
      [probe](sync_atom) {
        probe->unsynced = 0;
        return true;
      },
      [](status_atom) { return std::string{"fake"}; },
  };
}

void HeadTest::open_ledger() {
  if (ledger) return;
  auto opened = storage::Ledger::open({dir.path(), 1ull << 30, 64u << 10});
  ASSERT_TRUE(opened) << to_string(opened.error());
  ledger = std::move(*opened);
}

void HeadTest::start_head(std::vector<std::string> expected) {
  open_ledger();
  auto made = std::make_shared<HeadContext>();
  made->clock = clock;
  made->ledger = ledger;
  made->metrics = std::make_shared<MetricRegistry>();
  made->audit = std::make_shared<ReportAudit>(clock, *made->metrics);
  auto data = dataset::DatasetStore::open(dir.path());
  ASSERT_TRUE(data) << to_string(data.error());
  made->data = std::make_shared<dataset::DatasetStore>(std::move(*data));
  made->ask_node = [this](const std::string& node, cluster::BulkQuestion question) {
    asked.emplace_back(node, std::move(question));
  };
  made->secret = "secret";
  made->receipts = receipts;
  made->expected_nodes = std::move(expected);
  made->commit =
      [this](std::span<const storage::Mutation> mutations) -> Result<storage::Committed> {
    if (commit_fault)
      if (auto error = commit_fault(mutations)) return std::move(*error);
    return ledger->commit(mutations);
  };
  context = made;
  ledger_writer = sys.spawn(ledger_behavior, context);
  ledger_gate = sys.spawn(gated_ledger, gate, ledger_writer);
  scheduler = sys.spawn(scheduler_behavior, context->clock, policy);
  series = sys.spawn(fake_series, points);
  datasets = sys.spawn(dataset_behavior, context, ledger_gate);
  director = sys.spawn(director_behavior, context,
                       DirectorPeers{ledger_gate, scheduler, series, datasets});
  caf::anon_send(scheduler, attach_atom_v, caf::actor_cast<placement_sink>(director));
  run();
}

void HeadTest::stop_head() {
  end(director);
  end(scheduler);
  end(series);
  asked.clear();  // what would answer them holds the actor
  end(datasets);
  gate->waiting.clear();  // they hold the actors
  end(ledger_gate);
  end(ledger_writer);
  for (auto& node : nodes) end(node);
  nodes.clear();
  context.reset();
  ledger.reset();
}

std::shared_ptr<NodeProbe> HeadTest::join(const std::string& name, int64_t milli_cpus,
                                          std::vector<JobUpdate> jobs) {
  auto probe = std::make_shared<NodeProbe>();
  nodes.push_back(sys.spawn(fake_node, probe));
  NodeHello hello;
  hello.name = name;
  hello.milli_cpus = milli_cpus;
  hello.mem = 8ull << 30;
  hello.jobs = std::move(jobs);
  auto answer = ask<NodeWelcome>(director, hello_atom_v, hello, nodes.back());
  EXPECT_TRUE(answer);
  if (answer) welcome = *answer;
  return probe;
}

Result<api::Submitted> HeadTest::submit(Submission submission) {
  SubmitBatch batch;
  batch.user = "ada";
  batch.submissions.push_back(std::move(submission));
  auto answer = ask<SubmittedRef>(director, submit_atom_v, share(std::move(batch)));
  if (!answer) return std::move(answer).error();
  return (*answer)->front();
}

JobUpdate HeadTest::update_for(const JobOrder& order, JobStep step) {
  JobUpdate update;
  update.key = order.key;
  update.attempt = order.attempt;
  update.step = step;
  update.time_us = clock->now().us;
  update.started_us = update.time_us;
  update.gpus = order.gpus;
  return update;
}

std::vector<JobOrder> HeadTest::orders(const std::shared_ptr<NodeProbe>& node, uint64_t top) {
  std::vector<JobOrder> list;
  for (const auto& order : node->started)
    if (order.key.job.experiment.top == top) list.push_back(order);
  return list;
}

ExperimentRecord HeadTest::experiment(ExperimentId id) {
  auto record = ledger->experiment(id);
  EXPECT_TRUE(record && *record) << to_string(id);
  return record && *record ? std::move(**record) : ExperimentRecord{};
}

SetRecord HeadTest::set(uint64_t top) {
  auto record = ledger->set(top);
  EXPECT_TRUE(record && *record) << top;
  return record && *record ? std::move(**record) : SetRecord{};
}

std::vector<std::string> HeadTest::story(const std::string& subject) {
  std::vector<std::string> list;
  uint64_t after = 0;
  while (true) {
    auto events = ledger->events(after, 1000);
    if (!events || events->empty()) return list;
    for (const auto& event : *events)
      if (event.subject == subject) list.push_back(event.from + ">" + event.to);
    after = events->back().number;
  }
}

void HeadTest::put(std::vector<storage::Mutation> mutations) {
  open_ledger();
  ASSERT_TRUE(ledger->commit(mutations));
}

ExperimentRecord HeadTest::running_record(ExperimentId id, const std::vector<std::string>& on,
                                          uint64_t epoch) {
  auto spec = spec_of();
  spec.workers.min = spec.workers.max = static_cast<uint32_t>(on.size());
  ExperimentLife life{record_of(spec, id)};
  life.place(places_on(on), epoch, t0);
  for (uint32_t index = 0; index < on.size(); ++index)
    life.update(update_of(life.record(), JobStep::running, index), t0);
  return life.record();
}

void HeadTest::put_new(ExperimentRecord record) {
  put({storage::PutExperiment{std::make_shared<const ExperimentRecord>(std::move(record)), true}});
}

}  // namespace troupe::actors
