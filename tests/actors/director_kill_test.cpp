// Kills find an experiment wherever it is, and end it once.
#include "runtime/core/limits.hpp"
#include "tests/actors/director_fixture.hpp"

namespace troupe::actors {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(Director, KillsWhatWaits) {
  run_one(large());
  auto id = run_one(large());
  auto killed = kill(id);
  ASSERT_TRUE(killed);
  EXPECT_TRUE(*killed);
  EXPECT_EQ(state(id), State::killed);
  EXPECT_EQ(experiment(id).reason, "killed by ada");
  report_exit(node->started[0], 0);
  EXPECT_EQ(node->started.size(), 1u) << "what was killed does not start";
}

TEST_F(Director, KillsWhatRuns) {
  auto id = run_one();
  auto order = node->started.at(0);
  report_running(order);
  auto killed = kill(id);
  ASSERT_TRUE(killed);
  EXPECT_EQ(state(id), State::killing) << "durable when answered";
  ASSERT_EQ(node->stopped.size(), 1u);
  EXPECT_EQ(node->stopped[0].first, order.key);
  EXPECT_EQ(node->stopped[0].second, Duration{limits::kill_grace}.count());
  report_exit(order, 143);
  EXPECT_EQ(state(id), State::killed);
}

TEST_F(Director, KillOfWhatHasEndedIsNoErrorAndOfNothingIsOne) {
  auto id = run_one();
  report_exit(node->started.at(0), 0);
  auto killed = kill(id);
  ASSERT_TRUE(killed);
  EXPECT_FALSE(*killed);
  EXPECT_EQ(state(id), State::finished);
  auto unknown = kill({77, 0});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::not_found);
}

TEST_F(Director, TwoKillsAtOnceEndAWaitingExperimentOnce) {
  run_one(large());
  auto id = run_one(large());
  auto a = self->request(director, caf::infinite, kill_atom_v, std::string{"by ada"}, id);
  auto b = self->request(director, caf::infinite, kill_atom_v, std::string{"by bob"}, id);
  run();
  int answered = 0;
  auto count = [&](bool) { ++answered; };
  a.receive(count, [](caf::error& e) { FAIL() << to_string(e); });
  b.receive(count, [](caf::error& e) { FAIL() << to_string(e); });
  EXPECT_EQ(answered, 2);
  EXPECT_THAT(story(to_string(id)), ElementsAre(">QUEUED", "QUEUED>KILLED"));
}

TEST_F(Director, AKillAndAPendingLimitAtOnceMakeOneEnd) {
  run_one(large());
  auto spec = large();
  spec.limits.pending = seconds{60};
  auto id = run_one(spec);
  clock->advance(seconds{60});
  caf::anon_send(director, kill_atom_v, std::string{"killed by ada"}, id);
  sched.advance_time(seconds{60});
  run();
  EXPECT_THAT(story(to_string(id)),
              ElementsAre(">QUEUED", AnyOf("QUEUED>KILLED", "QUEUED>FAILED")));
}

TEST_F(Director, KillsWhatGoesBackIntoTheQueueAtThatMoment) {
  auto spec = spec_of();
  spec.retry = {1, seconds{30}};
  auto id = run_one(spec);
  report_exit(node->started.at(0), 1);
  clock->advance(seconds{31});
  sched.advance_time(seconds{31});
  // Its actor goes first, and is gone when the kill asks for it.
  EXPECT_TRUE(kill(id));
  EXPECT_EQ(state(id), State::killed);
}

TEST_F(Director, KillsDuringTheBackoff) {
  auto spec = spec_of();
  spec.retry = {3, seconds{30}};
  auto id = run_one(spec);
  report_exit(node->started.at(0), 1);
  EXPECT_TRUE(*kill(id));
  EXPECT_EQ(state(id), State::killed);
  advance(minutes{5});
  EXPECT_EQ(node->started.size(), 1u);
  EXPECT_EQ(state(id), State::killed);
}

/// The kill is not durable, so it goes on waiting, for no shorter time.
TEST_F(Director, AFailedKillOfALostExclusiveOneDoesNotShortenItsWait) {
  auto spec = spec_of();
  spec.exclusive = true;
  ASSERT_TRUE(submit(spec));
  report_running(node->started[0]);
  auto other = join("b");
  caf::anon_send(director, lost_atom_v, std::string{"a"}, int64_t{0});
  run();
  commit_fault = [](auto) { return Error{Errc::exhausted, "the disk is full", "", ""}; };
  EXPECT_FALSE(kill({1, 0}));
  commit_fault = nullptr;
  advance(limits::exclusive_wait - seconds{1});
  EXPECT_THAT(other->started, IsEmpty());
  advance(seconds{2});
  EXPECT_EQ(other->started.size(), 1u);
}

}  // namespace
}  // namespace troupe::actors
