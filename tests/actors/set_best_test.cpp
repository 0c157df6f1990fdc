// What a set finds best: every value counts, however the points were batched on their way.
#include "tests/actors/head_fixture.hpp"

namespace troupe::actors {
namespace {

class SetBest : public HeadTest {
 protected:
  void SetUp() override {
    start_head();
    node = join("n1");
  }

  /// A grid of three members, one at a time.
  uint64_t start_sweep(const std::string& stop_when = "") {
    Submission submission{spec_of("train {{x}}"), SweepSpec{}, ""};
    submission.experiment.parameters = {{"x", {Value{1}, Value{2}, Value{3}}, {}}};
    submission.sweep->strategy = "grid";
    submission.sweep->metric = Metric{true, "score"};
    submission.sweep->stop_when = stop_when;
    submission.sweep->concurrency = 1;
    auto submitted = submit(std::move(submission));
    EXPECT_TRUE(submitted) << to_string(submitted.error());
    return submitted ? submitted->id.top : 0;
  }
  void report_scores(const JobOrder& order, const std::vector<double>& values) {
    MetricBatch batch;
    batch.key = order.key;
    batch.attempt = order.attempt;
    batch.source = "log";
    for (auto value : values) {
      auto step = static_cast<double>(batch.points.size());
      batch.points.push_back({"score", {step}, {value}, t0.us, ++batch.to});
    }
    caf::anon_send(director, metrics_atom_v, std::move(batch));
    run();
  }

  std::shared_ptr<NodeProbe> node;
};

TEST_F(SetBest, APeakInsideABatchCounts) {
  auto top = start_sweep();
  ASSERT_EQ(node->started.size(), 1u);
  report_running(node->started[0]);
  report_scores(node->started[0], {0.5, 0.9, 0.2});
  report_exit(node->started[0], 0);
  ASSERT_EQ(node->started.size(), 2u);
  report_running(node->started[1]);
  report_scores(node->started[1], {0.6, 0.7});
  EXPECT_EQ(set(top).best_member, 1u);
  EXPECT_EQ(set(top).best_value, 0.9);
  EXPECT_EQ(experiment({top, 1}).metrics.at("score"), 0.2);  // the last stays the last
  EXPECT_EQ(experiment({top, 1}).extremes.at("score"), (Extremes{0.2, 0.9}));
}

TEST_F(SetBest, AConditionMetInsideABatchStops) {
  auto top = start_sweep("score >= 0.9");
  report_running(node->started[0]);
  report_scores(node->started[0], {0.5, 0.95, 0.2});
  EXPECT_EQ(set(top).stop_reason, "member 1 met stop_when: score >= 0.9");
}

TEST_F(SetBest, IsRememberedAcrossARestartOfTheHead) {
  auto top = start_sweep();
  report_running(node->started[0]);
  report_scores(node->started[0], {0.9, 0.2});
  report_exit(node->started[0], 0);
  ASSERT_EQ(node->started.size(), 2u);
  report_running(node->started[1]);
  auto order = node->started[1];
  stop_head();
  start_head({"n1"});
  node = join("n1", 4000, {update_for(order, JobStep::running)});
  report_scores(order, {0.7});
  report_exit(order, 0);
  EXPECT_EQ(set(top).best_member, 1u);
  EXPECT_EQ(set(top).best_value, 0.9);
  EXPECT_EQ(set(top).finished, 2u);
}

}  // namespace
}  // namespace troupe::actors
