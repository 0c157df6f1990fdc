// A ledger that fails, hangs or ends: nothing that was to be recorded is lost, and nothing is
// recorded twice.
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LedgerFault : public HeadTest {
 protected:
  void SetUp() override {
    start_head();
    node = join("a");
  }
  ExperimentId run_one() {
    auto submitted = submit(spec_of());
    EXPECT_TRUE(submitted);
    return submitted ? submitted->id : ExperimentId{};
  }
  Submission sweep() {
    Submission submission{spec_of("train {{x}}"), SweepSpec{}, ""};
    submission.experiment.parameters = {Parameter{"x", {1, 2, 3}, {}}};
    submission.sweep->strategy = "grid";
    return submission;
  }
  void fill_disk() {
    commit_fault = [](auto) { return Error{Errc::exhausted, "the disk is full", "", ""}; };
  }
  void empty_disk() { commit_fault = nullptr; }
  /// Longer than anybody waits for a commit, three times.
  void hang() {
    for (int i = 0; i < 3; ++i) advance(seconds{61});
  }

  std::shared_ptr<NodeProbe> node;
};

const auto whole_story = ElementsAre(">QUEUED", "QUEUED>PREPARING", "PREPARING>STARTING",
                                     "STARTING>RUNNING", "RUNNING>FINISHED");

TEST_F(LedgerFault, AFullDiskLosesNoStep) {
  auto id = run_one();
  fill_disk();
  auto order = node->started.at(0);
  report(update_for(order, JobStep::starting));
  report_running(order);
  report_exit(order, 0);
  advance(seconds{5});
  EXPECT_NE(state(id), State::finished);
  EXPECT_THAT(node->forgotten, IsEmpty()) << "the node's word is needed until it is recorded";
  empty_disk();
  advance(seconds{2});
  EXPECT_EQ(state(id), State::finished);
  EXPECT_THAT(story("1"), whole_story);
  EXPECT_THAT(node->forgotten, ElementsAre(order.key));
}

TEST_F(LedgerFault, AStepThatDidNotFitIsShownAsSoonAsItDoes) {
  auto id = run_one();
  fill_disk();
  report_running(node->started.at(0));
  advance(seconds{2});
  empty_disk();
  advance(seconds{2});
  EXPECT_EQ(state(id), State::running);
}

TEST_F(LedgerFault, StepsKeepTheirOrderWhenOnlySmallCommitsFit) {
  auto id = run_one();
  auto order = node->started.at(0);
  advance(seconds{1});
  // Its two steps to RUNNING are too large, its end would fit.
  commit_fault = [](std::span<const storage::Mutation> mutations) {
    return mutations.size() > 2 ? std::optional{Error{Errc::exhausted, "full", "", ""}}
                                : std::nullopt;
  };
  report_running(order);
  report_exit(order, 0);
  advance(seconds{3});
  EXPECT_NE(state(id), State::finished);
  auto other = run_one();
  EXPECT_EQ(node->started.size(), 2u) << "what fits goes on";
  commit_fault = nullptr;
  advance(seconds{3});
  EXPECT_EQ(state(id), State::finished);
  EXPECT_EQ(state(other), State::preparing);
  EXPECT_THAT(story("1"), whole_story);
}

TEST_F(LedgerFault, AnExperimentRefusedForAFullDiskLeavesNothing) {
  fill_disk();
  auto submitted = submit(spec_of());
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().code, Errc::exhausted);
  empty_disk();
  advance(seconds{2});
  EXPECT_THAT(node->started, IsEmpty());
  EXPECT_TRUE(submit(spec_of()));
  EXPECT_EQ(node->started.size(), 1u);
}

TEST_F(LedgerFault, ASetMakesItsMembersOnceThereIsRoom) {
  bool full = false;
  commit_fault = [&full](std::span<const storage::Mutation> mutations) -> std::optional<Error> {
    // The set itself fits, its members do not.
    const auto* put =
        mutations.empty() ? nullptr : std::get_if<storage::PutExperiment>(&mutations.front());
    if (!full || put == nullptr) return std::nullopt;
    return Error{Errc::exhausted, "full", "", ""};
  };
  full = true;
  ASSERT_TRUE(submit(sweep()));
  advance(seconds{5});
  EXPECT_THAT(node->started, IsEmpty());
  full = false;
  advance(seconds{2});
  EXPECT_EQ(node->started.size(), 3u);
  for (const auto* member : {"1.1", "1.2", "1.3"})
    EXPECT_THAT(story(member), ElementsAre(">QUEUED", "QUEUED>PREPARING"));
}

TEST_F(LedgerFault, ACommitThatComesLateIsNotRepeated) {
  auto id = run_one();
  auto order = node->started.at(0);
  report_running(order);
  gate->held = true;
  report_exit(order, 0);
  hang();
  release_ledger();
  advance(seconds{2});
  EXPECT_EQ(state(id), State::finished);
  EXPECT_THAT(story("1"), whole_story);
  EXPECT_THAT(node->forgotten, ElementsAre(order.key));
}

TEST_F(LedgerFault, ASubmissionThatIsRecordedLateIsAnsweredAndRuns) {
  gate->held = true;
  SubmitBatch batch;
  batch.user = "ada";
  batch.submissions.push_back({spec_of(), {}, ""});
  auto pending = self->request(director, caf::infinite, submit_atom_v, share(std::move(batch)));
  run();
  hang();
  release_ledger();
  run();
  bool answered = false;
  pending.receive([&](const SubmittedRef& answer) { answered = answer->front().has_value(); },
                  [](caf::error&) {});
  EXPECT_TRUE(answered);
  ASSERT_EQ(node->started.size(), 1u);
  EXPECT_THAT(story("1"), ElementsAre(">QUEUED", "QUEUED>PREPARING"));
}

TEST_F(LedgerFault, MembersThatAreRecordedLateAreMadeOnce) {
  gate->held = true;
  SubmitBatch batch;
  batch.user = "ada";
  batch.submissions.push_back(sweep());
  caf::anon_send(director, submit_atom_v, share(std::move(batch)));
  run();
  caf::anon_send(ledger_gate, flush_atom_v);  // the set is recorded, its members are on their way
  run();
  hang();
  release_ledger();
  advance(seconds{2});
  EXPECT_EQ(node->started.size(), 3u);
  for (const auto* member : {"1.1", "1.2", "1.3"})
    EXPECT_THAT(story(member), ElementsAre(">QUEUED", "QUEUED>PREPARING"));
}

TEST_F(LedgerFault, AKillOfWhatWaitsIsRecordedOnceHoweverLate) {
  auto spec = spec_of();
  spec.resources.cpus = 4;
  ASSERT_TRUE(submit(spec));
  ASSERT_TRUE(submit(spec));
  gate->held = true;
  auto pending = self->request(director, caf::infinite, kill_atom_v, std::string{"killed by ada"},
                               ExperimentId{2, 0});
  run();
  hang();
  release_ledger();
  run();
  bool killed = false;
  pending.receive([&](bool done) { killed = done; }, [](caf::error&) {});
  EXPECT_TRUE(killed);
  EXPECT_THAT(story("2"), ElementsAre(">QUEUED", "QUEUED>KILLED"));
}

TEST_F(LedgerFault, ALedgerThatEndsAnswersWhoeverWaits) {
  auto change = [](std::string subject) {
    Event event;
    event.kind = "state";
    event.subject = std::move(subject);
    return mutations_ref({storage::AppendEvent{event}});
  };
  advance(seconds{1});
  auto before = ledger->last_event();
  // Not yet looked at, and looked at but not yet written: two ways to wait.
  auto first = self->request(ledger_writer, caf::infinite, later_atom_v, change("a"));
  sched.run();
  auto second = self->request(ledger_writer, caf::infinite, later_atom_v, change("b"));
  sched.run();
  auto third = self->request(ledger_writer, caf::infinite, later_atom_v, change("c"));
  caf::anon_send_exit(ledger_writer, caf::exit_reason::user_shutdown);
  sched.run();
  uint64_t recorded = 0, refused = 0;
  for (auto* pending : {&first, &second, &third})
    pending->receive([&](uint64_t) { ++recorded; }, [&](caf::error&) { ++refused; });
  EXPECT_EQ(recorded + refused, 3u);
  EXPECT_GE(recorded, 2u);
  EXPECT_EQ(ledger->last_event(), before + recorded) << "what was confirmed is there";
}

TEST_F(LedgerFault, ALedgerThatEndsOnAFullDiskSaysSo) {
  advance(seconds{1});
  auto first = self->request(ledger_writer, caf::infinite, later_atom_v,
                             mutations_ref({storage::AppendEvent{Event{}}}));
  sched.run();
  fill_disk();
  auto second = self->request(ledger_writer, caf::infinite, later_atom_v,
                              mutations_ref({storage::AppendEvent{Event{}}}));
  sched.run();
  caf::anon_send_exit(ledger_writer, caf::exit_reason::user_shutdown);
  sched.run();
  first.receive([](uint64_t) {}, [](caf::error&) {});
  std::string said;
  second.receive([](uint64_t) {}, [&](caf::error& e) { said = to_string(from_caf(e, "it")); });
  EXPECT_THAT(said, HasSubstr("the disk is full"));
}

}  // namespace
}  // namespace troupe::actors
