// The director with the real ledger, scheduler and experiment actors, and nodes that only remember.
#include "runtime/core/limits.hpp"
#include "tests/actors/director_fixture.hpp"

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(Director, CarriesAnExperimentFromSubmissionToItsEnd) {
  auto submitted = submit(spec_of("python3 train.py"));
  ASSERT_TRUE(submitted);
  EXPECT_EQ(submitted->id, (ExperimentId{1, 0}));
  EXPECT_FALSE(submitted->repeated);
  ASSERT_EQ(node->started.size(), 1u);
  auto order = node->started[0];
  EXPECT_EQ(to_string(order.key.job), "1.worker.0");
  EXPECT_EQ(order.key.epoch >> 32, ledger->generation());
  EXPECT_THAT(order.phases.at(0).argv, ElementsAre("/bin/sh", "-c", "python3 train.py"));
  EXPECT_EQ(order.token, job_token("secret", {1, 0}, order.key.epoch));
  report_running(order);
  EXPECT_EQ(state({1, 0}), State::running);
  report_exit(order, 0);
  EXPECT_EQ(state({1, 0}), State::finished);
  EXPECT_THAT(story("1"), ElementsAre(">QUEUED", "QUEUED>PREPARING", "PREPARING>STARTING",
                                      "STARTING>RUNNING", "RUNNING>FINISHED"));
  EXPECT_THAT(node->forgotten, ElementsAre(order.key));
}

TEST_F(Director, AnswersASubmissionOnlyWhenItIsDurable) {
  SubmitBatch batch;
  batch.user = "ada";
  batch.submissions.push_back({spec_of(), {}, ""});
  bool answered = false;
  auto client = sys.spawn([&](caf::event_based_actor* actor) {
    actor->request(director, caf::infinite, submit_atom_v, share(std::move(batch)))
        .then([&](const SubmittedRef&) { answered = true; });
  });
  for (int i = 0; i < 100 && !answered; ++i) {
    while (!answered && sched.try_run_once()) {
    }
    if (!answered) sched.advance_time(milliseconds{1});
  }
  ASSERT_TRUE(answered);
  EXPECT_EQ(state({1, 0}), State::queued);
}

TEST_F(Director, StartsTheNextWhenOneEnds) {
  auto first = run_one(large());
  auto second = run_one(large());
  ASSERT_EQ(node->started.size(), 1u);
  report_exit(node->started[0], 0);
  ASSERT_EQ(node->started.size(), 2u);
  EXPECT_EQ(node->started[1].key.job.experiment, second);
  EXPECT_EQ(state(first), State::finished);
}

class DirectorThatStops : public Director {
 protected:
  DirectorThatStops() { policy.preempt = true; }
};

TEST_F(DirectorThatStops, StopsALowerPriorityAndStartsItAgainAfterwards) {
  auto low = run_one(large());
  ASSERT_EQ(node->started.size(), 1u);
  auto order = node->started[0];
  report_running(order);
  auto urgent = large();
  urgent.priority = 90;
  auto high = run_one(urgent);
  ASSERT_EQ(node->stopped.size(), 1u);
  EXPECT_EQ(node->stopped[0].first, order.key);
  EXPECT_EQ(node->started.size(), 1u) << "not before the other has stopped";
  report_exit(order, 143);
  ASSERT_EQ(node->started.size(), 2u);
  EXPECT_EQ(node->started[1].key.job.experiment, high);
  EXPECT_EQ(state(low), State::queued);
  EXPECT_THAT(experiment(low).reason, HasSubstr("makes room for 2"));
  EXPECT_EQ(experiment(low).failures, 0u);
  report_exit(node->started[1], 0);
  ASSERT_EQ(node->started.size(), 3u);
  EXPECT_EQ(node->started[2].key.job.experiment, low);
}

TEST_F(Director, RefusesWhatCanNeverFit) {
  auto spec = spec_of();
  spec.resources.cpus = 64;
  auto submitted = submit(spec);
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().code, Errc::invalid);
  EXPECT_EQ(ledger->next_top(), 1u);
}

TEST_F(Director, AKeyInFlightAnswersWithTheSameId) {
  SubmitBatch batch;
  batch.user = "ada";
  batch.submissions = {{spec_of(), {}, "k"}, {spec_of(), {}, "k"}};
  auto a = self->request(director, caf::infinite, submit_atom_v, share(batch));
  auto b = self->request(director, caf::infinite, submit_atom_v, share(batch));
  run();
  std::vector<api::Submitted> all;
  auto take = [&](SubmittedRef& answers) {
    for (auto& answer : *answers) all.push_back(*answer);
  };
  a.receive(take, [](caf::error& e) { FAIL() << to_string(e); });
  b.receive(take, [](caf::error& e) { FAIL() << to_string(e); });
  ASSERT_EQ(all.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i].id, (ExperimentId{1, 0}));
    EXPECT_EQ(all[i].repeated, i != 0);
  }
  auto later = submit(Submission{spec_of(), {}, "k"});
  ASSERT_TRUE(later);
  EXPECT_EQ(later->id, (ExperimentId{1, 0}));
  EXPECT_TRUE(later->repeated);
  EXPECT_EQ(node->started.size(), 1u);
}

TEST_F(Director, AKeyOfASetInFlightAnswersWithItsSize) {
  Submission submission{spec_of("train {{x}}"), SweepSpec{}, "k"};
  submission.experiment.parameters = {{"x", {Value{1}, Value{2}, Value{3}}, {}}};
  submission.sweep->strategy = "grid";
  SubmitBatch batch;
  batch.user = "ada";
  batch.submissions = {submission, submission};
  auto answer = ask<SubmittedRef>(director, submit_atom_v, share(std::move(batch)));
  ASSERT_TRUE(answer);
  ASSERT_EQ((*answer)->size(), 2u);
  for (auto& submitted : **answer) {
    ASSERT_TRUE(submitted) << to_string(submitted.error());
    EXPECT_EQ(submitted->size, 3u);
    EXPECT_TRUE(submitted->is_set);
  }
}

TEST_F(Director, DrainStopsWhatRunsAndQueuesItAgain) {
  auto id = run_one();
  auto order = node->started.at(0);
  report_running(order);
  auto pending =
      self->request(director, caf::infinite, drain_atom_v, std::string{"the head is stopping"});
  run();
  EXPECT_EQ(node->stopped.size(), 1u);
  EXPECT_FALSE(submit(spec_of()));
  auto end = update_for(order, JobStep::ended);
  end.has_exit = end.stopped = true;  // it saved what it had and left
  report(end);
  uint64_t count = 0;
  pending.receive([&](uint64_t n) { count = n; }, [](caf::error& e) { FAIL() << to_string(e); });
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(state(id), State::queued);
  EXPECT_EQ(node->started.size(), 1u) << "nothing is started any more";
}

TEST_F(Director, RestartsWhatALostNodeRanOnAnother) {
  auto id = run_one();
  report_running(node->started.at(0));
  auto other = join("b");
  caf::anon_send(director, lost_atom_v, std::string{"a"}, int64_t{0});
  run();
  ASSERT_EQ(other->started.size(), 1u);
  EXPECT_EQ(other->started[0].attempt, 2u);
  auto stale = update_for(node->started[0], JobStep::ended);
  stale.has_exit = true;
  report(stale);
  EXPECT_EQ(state(id), State::preparing) << "the cut-off attempt is not believed";
}

TEST_F(Director, TellsNodesToForgetWhatTheyReportTooLate) {
  run_one();
  auto order = node->started.at(0);
  report_exit(order, 0);
  report_exit(order, 0);
  EXPECT_EQ(node->forgotten.size(), 2u);
}

TEST_F(Director, StartsAGangTogetherAndLetsItPassBarriersTogether) {
  auto spec = spec_of();
  spec.run.push_back({"evaluate", {}});
  spec.workers = {2, 2, 0};
  auto id = run_one(spec);
  ASSERT_EQ(node->started.size(), 2u);
  EXPECT_EQ(node->started[0].world_size, 2u);
  auto prepared = [&](size_t index) {
    auto update = update_for(node->started[index], JobStep::phase_done);
    --update.phase;
    update.first_port = static_cast<uint16_t>(20000 + 8 * index);
    return update;
  };
  report(prepared(0));
  EXPECT_THAT(node->phases, IsEmpty()) << "no rank starts before all can";
  report(prepared(1));
  EXPECT_EQ(node->phases.size(), 2u);
  EXPECT_EQ(node->phases.back().second, 0u);
  EXPECT_THAT(node->first_ports, ElementsAre(20000, 20008)) << "each hears where all listen";
  node->phases.clear();
  for (const auto& order : node->started) report(update_for(order, JobStep::running));
  report(update_for(node->started[0], JobStep::phase_done));
  EXPECT_THAT(node->phases, IsEmpty());
  report(update_for(node->started[1], JobStep::phase_done));
  EXPECT_EQ(node->phases.size(), 2u);
  report_exit(node->started[0], 4);
  ASSERT_EQ(node->stopped.size(), 1u);
  EXPECT_EQ(node->stopped[0].first, node->started[1].key);
  report_exit(node->started[1], 143);
  EXPECT_EQ(state(id), State::failed);
  EXPECT_EQ(experiment(id).exit_code, 4);
}

TEST_F(Director, FailsWhatCannotBeOrdered) {
  auto spec = spec_of("train --lr {{lr}}");
  spec.env = {{"LR", "{{nothing}}"}};
  auto submitted = submit(spec);
  if (!submitted) return;  // refused at the door is as good
  EXPECT_EQ(state(submitted->id), State::failed);
  EXPECT_TRUE(submit(large())) << "and its resources are free again";
  EXPECT_EQ(node->started.size(), 1u);
}

TEST_F(Director, StartsALostExclusiveOneWhenItsLeaseIsOver) {
  auto spec = spec_of();
  spec.exclusive = true;
  ASSERT_TRUE(submit(spec));
  ASSERT_EQ(node->started.size(), 1u);
  EXPECT_TRUE(node->started[0].leased);
  report_running(node->started[0]);
  auto other = join("b");
  caf::anon_send(director, lost_atom_v, std::string{"a"}, int64_t{0});
  run();
  EXPECT_EQ(state({1, 0}), State::queued);
  auto why = ask<WaitingRef>(director, why_atom_v, ExperimentId{1, 0});
  ASSERT_TRUE(why);
  EXPECT_THAT((*why)->reasons, ElementsAre(HasSubstr("lease")));
  // The scheduler decided before it heard of the loss.
  caf::anon_send(director, preempt_atom_v, ExperimentId{1, 0}, std::string{"for another"});
  advance(limits::exclusive_wait - seconds{1});
  EXPECT_THAT(other->started, IsEmpty());
  advance(seconds{2});
  EXPECT_EQ(other->started.size(), 1u);
}

}  // namespace
}  // namespace troupe::actors
