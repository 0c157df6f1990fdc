#include "tests/actors/set_fixture.hpp"

namespace troupe::actors {

uint64_t SetTest::start(Submission submission) {
  auto submitted = submit(std::move(submission));
  EXPECT_TRUE(submitted) << to_string(submitted.error());
  return submitted ? submitted->id.top : 0;
}

void SetTest::report_metrics(const JobOrder& order, const std::map<std::string, double>& values,
                             double step) {
  MetricBatch batch;
  batch.key = order.key;
  batch.attempt = order.attempt;
  batch.source = "log";
  batch.from = static_cast<uint64_t>(step);
  batch.to = batch.from + 1;
  for (const auto& [name, value] : values)
    batch.points.push_back({name, {step}, {value}, t0.us, batch.to});
  caf::anon_send(director, metrics_atom_v, std::move(batch));
  run();
}

std::vector<JobOrder> SetTest::running() {
  std::vector<JobOrder> orders;
  for (const auto& order : node->started)
    if (!is_terminal(state(order.key.job.experiment))) orders.push_back(order);
  return orders;
}

void SetTest::restart_with(const std::vector<JobOrder>& runs) {
  stop_head();
  start_head({"a"});
  std::vector<JobUpdate> updates;
  for (const auto& order : runs) updates.push_back(update_for(order, JobStep::running));
  node = join("a", 64000, updates);
  caf::anon_send(director, recovery_atom_v);
  run();
}

}  // namespace troupe::actors
