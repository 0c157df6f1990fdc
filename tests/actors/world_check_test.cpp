#include "actors/worker/world_check.hpp"

#include "tests/actors/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class World : public ::testing::Test {
 protected:
  World() {
    order.world_size = 4;
    order.processes = 2;
    order.nodes = 2;
    order.hosts = {{"a", "h1", 20000}, {"b", "h2", 20000}};
  }
  bool look(WorldCheck& check, int second) {
    return check.look(seconds{second}, [this](const std::vector<int32_t>& pids, uint16_t port) {
      EXPECT_EQ(pids, std::vector<int32_t>{7});
      EXPECT_EQ(port, 20000);
      ++looks;
      return seen;
    });
  }
  JobOrder order;
  process::WorldLook seen;
  int looks = 0;
};

TEST_F(World, IsFineOnceSomebodyListensAndIsNotLookedAtAnyMore) {
  WorldCheck check{order, {7}, seconds{0}};
  EXPECT_FALSE(look(check, 1)) << "too soon";
  seen.torch = seen.listens = true;
  EXPECT_FALSE(look(check, 5));
  EXPECT_EQ(looks, 1);
  EXPECT_FALSE(look(check, 100));
  EXPECT_EQ(looks, 1);
}

TEST_F(World, OfRanksThatLoadedMpiAloneIsTold) {
  WorldCheck check{order, {7}, seconds{0}};
  seen.mpi = true;
  EXPECT_FALSE(look(check, 5));
  EXPECT_TRUE(look(check, 15));
  EXPECT_EQ(check.warning().what, "its ranks run as 4 worlds of one");
  EXPECT_THAT(check.warning().hint, HasSubstr("pmi1"));
  EXPECT_FALSE(look(check, 20)) << "told once";
}

TEST_F(World, OfTorchIsTakenBackWhenItFormsLate) {
  WorldCheck check{order, {7}, seconds{0}};
  seen.torch = true;
  EXPECT_FALSE(look(check, 5));
  EXPECT_FALSE(look(check, 60));
  EXPECT_TRUE(look(check, 66));
  seen.listens = true;
  EXPECT_TRUE(look(check, 71));
  EXPECT_EQ(check.warning().what, "");
}

TEST_F(World, IsLookedAtByTheFirstJobOfSeveralRanksAlone) {
  seen.mpi = true;
  order.node_rank = 1;
  WorldCheck second{order, {7}, seconds{0}};
  EXPECT_FALSE(look(second, 30));
  order.node_rank = 0;
  order.world_size = 1;
  WorldCheck alone{order, {7}, seconds{0}};
  EXPECT_FALSE(look(alone, 30));
  EXPECT_EQ(looks, 0);
}

TEST(WorldNote, IsAnEventAndStandsInTheRecord) {
  ExperimentLife life{record_of(spec_of())};
  life.place(places_on({"a", "b"}), 7, t0);
  for (uint32_t job : {0u, 1u}) life.update(update_of(life.record(), JobStep::running, job), t0);
  auto warned = update_of(life.record(), JobStep::running);
  warned.warning = Error{Errc::failed, "two worlds", "why", "do"};
  auto effects = life.update(warned, t0);
  ASSERT_EQ(effects.events.size(), 1u);
  EXPECT_EQ(effects.events[0].kind, "launch");
  EXPECT_EQ(effects.events[0].cause, "two worlds");
  EXPECT_EQ(life.record().reason, "two worlds");
  EXPECT_TRUE(life.update(warned, t0).events.empty()) << "told once";
  auto good = update_of(life.record(), JobStep::running);
  EXPECT_EQ(life.update(good, t0).events.at(0).cause, "its ranks have found each other");
  EXPECT_FALSE(life.record().error);
  life.update(warned, t0);
  for (uint32_t job : {0u, 1u}) {
    auto ended = exit_of(life.record(), 0, job);
    ended.warning = warned.warning;
    life.update(ended, t0);
  }
  EXPECT_EQ(life.record().state, State::finished);
  EXPECT_EQ(life.record().reason, "exit 0; two worlds");
}

}  // namespace
}  // namespace troupe::actors
