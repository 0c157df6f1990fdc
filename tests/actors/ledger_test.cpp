// The ledger and scheduler actors alone.
#include "tests/actors/head_fixture.hpp"

#include <gmock/gmock.h>

namespace troupe::actors {
namespace {

using ::testing::HasSubstr;

class LedgerActor : public HeadTest {
 protected:
  void SetUp() override { start_head(); }
  uint64_t commits() { return context->metrics->counter("troupe_ledger_commits", "").value(); }
  static MutationsRef mutations(ExperimentRecord record, bool is_new = true) {
    return mutations_ref({storage::PutExperiment{
        std::make_shared<const ExperimentRecord>(std::move(record)), is_new}});
  }
};

TEST_F(LedgerActor, PutsRequestsThatWaitIntoOneCommit) {
  auto before = commits();
  auto a = self->request(ledger_writer, caf::infinite, commit_atom_v,
                         mutations(record_of(spec_of(), {1, 0})));
  auto b = self->request(ledger_writer, caf::infinite, commit_atom_v,
                         mutations(record_of(spec_of(), {2, 0})));
  run();
  auto expect_ok = [](auto& pending) {
    bool done = false;
    pending.receive([&](uint64_t) { done = true; }, [](caf::error&) {});
    EXPECT_TRUE(done);
  };
  expect_ok(a);
  expect_ok(b);
  EXPECT_EQ(commits(), before + 1);
  EXPECT_EQ(state({1, 0}), State::queued);
  EXPECT_EQ(state({2, 0}), State::queued);
}

TEST_F(LedgerActor, AnswersWithTheNewestEvent) {
  Event event;
  event.subject = "1";
  event.kind = "state";
  auto first =
      ask<uint64_t>(ledger_writer, commit_atom_v, mutations_ref({storage::AppendEvent{event}}));
  auto second =
      ask<uint64_t>(ledger_writer, commit_atom_v, mutations_ref({storage::AppendEvent{event}}));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*second, *first + 1);
}

class PlacementProbe {
 public:
  std::vector<schedule::Placement> placed;
  std::vector<std::pair<ExperimentId, std::string>> stopped;
  std::vector<std::pair<std::string, CacheWishes>> wishes;
};

class SchedulerActor : public ActorTest {
 protected:
  void SetUp() override {
    scheduler = sys.spawn(scheduler_behavior, clock, policy);
    sink = sys.spawn([this]() -> placement_sink::behavior_type {
      return {[this](placed_atom, const PlacementRef& p) { probe.placed.push_back(*p); },
              [this](preempt_atom, ExperimentId id, const std::string& cause) {
                probe.stopped.emplace_back(id, cause);
              },
              [this](wish_atom, const std::string& node, const CacheWishesRef& wishes) {
                probe.wishes.emplace_back(node, *wishes);
              }};
    });
    caf::anon_send(scheduler, attach_atom_v, sink);
    schedule::NodeSpec node;
    node.name = "a";
    node.milli_cpus = 2000;
    node.mem = 8ull << 30;
    caf::anon_send(scheduler, node_atom_v, share(node));
    run();
  }
  void TearDown() override {
    end(sink);
    end(scheduler);
  }
  void queue(ExperimentId id, int64_t milli_cpus = 1000) {
    caf::anon_send(scheduler, queue_atom_v, share(request(id, milli_cpus)));
  }
  static schedule::Request request(ExperimentId id, int64_t milli_cpus = 1000) {
    schedule::Request request;
    request.id = id;
    request.amount.milli_cpus = milli_cpus;
    return request;
  }

  schedule::Policy policy;
  PlacementProbe probe;
  scheduler_actor scheduler;
  placement_sink sink;
};

class SchedulerActorByService : public SchedulerActor {
 protected:
  SchedulerActorByService() { policy = schedule::Policy::attained(); }
};

TEST_F(SchedulerActorByService, StopsWhatReceivedMoreWhenItsTimeHasCome) {
  caf::anon_send(scheduler, open_atom_v);
  queue({1, 0}, 2000);
  run();
  ASSERT_EQ(probe.placed.size(), 1u);
  queue({2, 0}, 2000);
  run();
  EXPECT_TRUE(probe.stopped.empty());
  auto why = ask<WaitingRef>(scheduler, why_atom_v, ExperimentId{2, 0});
  ASSERT_TRUE(why);
  EXPECT_EQ((*why)->expected_start, "") << "nobody can know when 1 ends";
  // 0.2 GPU-hours are 48 minutes of two CPUs; nobody tells the scheduler that they have passed.
  for (int minute = 0; minute < 47; ++minute) advance(minutes{1});
  EXPECT_TRUE(probe.stopped.empty());
  for (int minute = 0; minute < 2; ++minute) advance(minutes{1});
  ASSERT_EQ(probe.stopped.size(), 1u);
  EXPECT_EQ(probe.stopped[0].first, (ExperimentId{1, 0}));
  EXPECT_THAT(probe.stopped[0].second, HasSubstr("makes room for 2"));
  caf::anon_send(scheduler, release_atom_v, ExperimentId{1, 0}, uint32_t{0});
  queue({1, 0}, 2000);
  run();
  ASSERT_EQ(probe.placed.size(), 2u);
  EXPECT_EQ(probe.placed[1].id, (ExperimentId{2, 0}));
}

TEST_F(SchedulerActor, PlacesNothingBeforeItIsOpened) {
  queue({1, 0});
  run();
  EXPECT_TRUE(probe.placed.empty());
  auto why = ask<WaitingRef>(scheduler, why_atom_v, ExperimentId{1, 0});
  ASSERT_TRUE(why);
  ASSERT_FALSE((*why)->reasons.empty());
  EXPECT_THAT((*why)->reasons.front(), HasSubstr("waits for its nodes"));
  caf::anon_send(scheduler, open_atom_v);
  run();
  ASSERT_EQ(probe.placed.size(), 1u);
  EXPECT_EQ(probe.placed[0].id, (ExperimentId{1, 0}));
}

TEST_F(SchedulerActor, PlacesWhatWaitsWhenRoomIsGivenBack) {
  caf::anon_send(scheduler, open_atom_v);
  for (uint64_t top = 1; top <= 3; ++top) queue({top, 0});
  run();
  EXPECT_EQ(probe.placed.size(), 2u);
  caf::anon_send(scheduler, release_atom_v, ExperimentId{1, 0}, uint32_t{0});
  run();
  ASSERT_EQ(probe.placed.size(), 3u);
  EXPECT_EQ(probe.placed[2].id, (ExperimentId{3, 0}));
}

TEST_F(SchedulerActor, SaysWhetherWhatItUnqueuesWaited) {
  queue({1, 0});
  EXPECT_TRUE(*ask<bool>(scheduler, unqueue_atom_v, ExperimentId{1, 0}));
  EXPECT_FALSE(*ask<bool>(scheduler, unqueue_atom_v, ExperimentId{1, 0}));
}

TEST_F(SchedulerActor, RefusesWhatCanNeverFitNamingTheLargestNode) {
  auto answer = ask<bool>(scheduler, check_atom_v, share(request({1, 0}, 64000)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::invalid);
  EXPECT_THAT(to_string(answer.error()), HasSubstr("a"));
}

TEST_F(SchedulerActor, CountsAdoptedJobsAsHeld) {
  caf::anon_send(scheduler, adopt_atom_v, share(request({9, 0}, 2000)),
                 share(std::vector<schedule::JobPlace>{{0, "a", {}}}));
  caf::anon_send(scheduler, open_atom_v);
  queue({10, 0});
  run();
  EXPECT_TRUE(probe.placed.empty());
  auto views = ask<NodeViewsRef>(scheduler, nodes_atom_v);
  ASSERT_TRUE(views);
  EXPECT_EQ((*views)->front().cpus_used, 2);
  caf::anon_send(scheduler, release_atom_v, ExperimentId{9, 0}, uint32_t{0});
  run();
  EXPECT_EQ(probe.placed.size(), 1u);
}

TEST_F(SchedulerActor, StartsThousandsInBoundedPasses) {
  schedule::NodeSpec node;
  node.name = "big";
  node.milli_cpus = 2'000'000;
  node.mem = 1ull << 40;
  caf::anon_send(scheduler, node_atom_v, share(node));
  for (uint64_t top = 1; top <= 1500; ++top) queue({top, 0});
  caf::anon_send(scheduler, open_atom_v);
  run();
  EXPECT_EQ(probe.placed.size(), 1500u);
}

}  // namespace
}  // namespace troupe::actors
