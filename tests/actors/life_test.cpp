// The life of an experiment from its placement to its own end, and what comes too late for it.
#include "tests/actors/life_fixture.hpp"

#include <set>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Next = Effects::Next;

TEST_F(Life, GoesThroughEveryStateToFinished) {
  EXPECT_THAT(steps(place()), ElementsAre("QUEUED>PREPARING"));
  EXPECT_EQ(record().attempts.size(), 1u);
  EXPECT_EQ(record().attempts[0].number, 1u);
  EXPECT_EQ(record().attempts[0].epoch, 101u);
  auto starting = life.update(update_of(record(), JobStep::starting), t0);
  EXPECT_THAT(steps(starting), ElementsAre("PREPARING>STARTING"));
  EXPECT_EQ(record().attempts[0].state, State::starting);
  EXPECT_THAT(steps(runs()), ElementsAre("STARTING>RUNNING"));
  EXPECT_EQ(record().started, t0);
  EXPECT_EQ(record().attempts[0].state, State::running);
  auto end = exits(0);
  EXPECT_THAT(steps(end), ElementsAre("RUNNING>FINISHED"));
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_THAT(end.released, ElementsAre(0));
  EXPECT_EQ(record().exit_code, 0);
  EXPECT_EQ(record().ended, t0);
  EXPECT_EQ(record().attempts[0].state, State::finished);
  EXPECT_EQ(record().attempts[0].jobs[0].state, State::finished);
  EXPECT_FALSE(record().error);
}

TEST_F(Life, TellsTheSameStoryOfAJobThatReportsItsEndOnly) {
  place();
  auto end = exits(0);
  EXPECT_THAT(steps(end),
              ElementsAre("PREPARING>STARTING", "STARTING>RUNNING", "RUNNING>FINISHED"));
  EXPECT_EQ(end.next, Next::ended);
}

TEST_F(Life, GivesEachStepItsOwnCause) {
  for (bool end_only : {false, true}) {
    ExperimentLife other{record_of(spec_of())};
    std::vector<Event> events = other.place(places_on({"a"}), 7, t0).events;
    auto update =
        end_only ? exit_of(other.record(), 0) : update_of(other.record(), JobStep::running);
    for (auto& event : other.update(update, t0).events) events.push_back(std::move(event));
    std::set<std::string> causes;
    for (const auto& event : events) EXPECT_TRUE(causes.insert(event.cause).second) << event.cause;
    EXPECT_TRUE(causes.contains("starting its processes"));
  }
}

TEST_F(Life, NamesExitCodesAndSignalsInTheError) {
  place();
  auto end = exits(3);
  EXPECT_EQ(end.next, Next::ended);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().exit_code, 3);
  ASSERT_TRUE(record().error);
  EXPECT_THAT(record().error->what, HasSubstr("42.worker.0 ended with exit code 3"));
  EXPECT_THAT(record().error->hint, HasSubstr("troupe logs 42"));
  ASSERT_TRUE(end.events.back().error);
  EXPECT_EQ(*end.events.back().error, *record().error);
}

TEST_F(Life, ExplainsAKillFromOutside) {
  place();
  exits(0, 0, SIGKILL);
  EXPECT_EQ(record().state, State::failed);
  EXPECT_EQ(record().exit_code, 137);
  EXPECT_THAT(record().error->what, HasSubstr("SIGKILL"));
  EXPECT_THAT(record().error->detail, HasSubstr("out of memory"));
}

TEST_F(Life, KeepsTheErrorTheNodeGave) {
  place();
  auto update = exit_of(record(), 1);
  update.error = Error{Errc::exhausted, "job 42.worker.0 ran out of memory", "d", "h"};
  life.update(update, t0);
  EXPECT_EQ(record().error, update.error);
}

TEST_F(Life, UpdatesOfAnEarlierAttemptAreDropped) {
  place();
  auto stale = exit_of(record(), 0);
  life.lost_node("a", "gone", t0, t0);
  place({"b"});
  auto effects = life.update(stale, t0);
  EXPECT_THAT(effects.events, IsEmpty());
  EXPECT_THAT(effects.released, IsEmpty());
  EXPECT_EQ(record().state, State::preparing);
  EXPECT_FALSE(record().attempts.back().ended);
}

TEST_F(Life, ASecondEndOfTheSameJobIsDropped) {
  place({"a", "b"});
  exits(0, 0);
  auto effects = exits(5, 0);
  EXPECT_THAT(effects.released, IsEmpty());
  EXPECT_EQ(record().attempts.back().jobs[0].exit_code, 0);
}

TEST_F(Life, UpdatesForJobsThatDoNotExistAreDropped) {
  place();
  EXPECT_THAT(exits(0, 7).events, IsEmpty());
  EXPECT_EQ(record().state, State::preparing);
}

TEST_F(Life, UpdatesInTheBackoffAreDropped) {
  place();
  auto late = update_of(record(), JobStep::running);
  life.lost_node("a", "gone", t0, t0);
  EXPECT_THAT(life.update(late, t0).events, IsEmpty());
  EXPECT_EQ(record().state, State::queued);
}

TEST_F(Life, AStopThatNobodyHereAskedForIsRepeatedNotBelieved) {
  place();
  runs();
  auto again = restarted();  // the head died after it had told the job to save and leave
  auto update = exit_of(again.record(), 0);
  update.stopped = true;
  EXPECT_EQ(again.update(update, t0).next, Next::requeue);
  EXPECT_EQ(again.record().state, State::queued);
  EXPECT_EQ(again.record().restarts, 1u);
}

TEST_F(Life, AdoptsAnAttemptTheLedgerDoesNotKnow) {
  auto adopted = life.adopt({place_on("a", {1, 3})}, 77, 4, t0);
  EXPECT_THAT(steps(adopted), ElementsAre("QUEUED>PREPARING"));
  EXPECT_EQ(record().attempts.back().epoch, 77u);
  EXPECT_EQ(record().attempts.back().number, 4u);
  EXPECT_THAT(record().attempts.back().jobs[0].gpus, ElementsAre(1, 3));
  EXPECT_EQ(runs().next, Next::none);
  EXPECT_EQ(exits(0).next, Next::ended);
}

TEST_F(Life, KeepsTheLastValueOfEachMetricUpToALimit) {
  for (size_t i = 0; i < limits::metric_names_max + 5; ++i)
    life.metric("m" + std::to_string(i), static_cast<double>(i));
  EXPECT_EQ(record().metrics.size(), limits::metric_names_max);
  life.metric("m0", 9);
  EXPECT_EQ(record().metrics.at("m0"), 9);
}

}  // namespace
}  // namespace troupe::actors
