// Whatever comes in whatever order, an experiment's life keeps its promises. A failure prints the
// seed that replays it.
#include "tests/actors/records.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

namespace troupe::actors {
namespace {

using Next = Effects::Next;

class Walk {
 public:
  explicit Walk(uint64_t seed) : random_{seed}, life_{record_of(spec())} {}

  void step() {
    auto before = life_.record().state;
    lives_.reset();
    auto effects = input();
    auto after = life_.record().state;
    check_events(before, after, effects);
    check_jobs(effects);
    // A record that is neither terminal nor QUEUED has an attempt that goes on.
    if (effects.next == Next::ended) {
      EXPECT_TRUE(is_terminal(after));
    } else if (effects.next == Next::requeue) {
      EXPECT_EQ(after, State::queued);
    } else if (before != after) {
      EXPECT_FALSE(is_terminal(after)) << to_string(before) << " -> " << to_string(after);
      EXPECT_NE(after, State::queued);
    }
    if (is_terminal(before)) {
      EXPECT_EQ(before, after) << "a terminal state never changes";
      EXPECT_EQ(effects.next, Next::none);
      EXPECT_TRUE(effects.stop.empty());
    }
  }

  /// Ends what still runs, as nodes do sooner or later: then nothing may be left over.
  void settle() {
    for (uint32_t index = 0; index < 4; ++index) {
      auto effects = life_.update(exit_of(life_.record(), 0, index), t0);
      check_jobs(effects);
    }
    auto state = life_.record().state;
    EXPECT_TRUE(is_terminal(state) || state == State::queued) << to_string(state);
    for (const auto& [epoch, jobs] : placed_) EXPECT_EQ(released_[epoch].size(), jobs);
  }

 private:
  ExperimentSpec spec() {
    auto spec = spec_of();
    spec.retry.count = static_cast<uint32_t>(pick(3));
    spec.workers = {1, 4, 0};
    spec.limits.running = std::chrono::seconds{pick(2)};
    return spec;
  }
  uint64_t pick(uint64_t below) { return random_() % below; }

  JobUpdate random_update() {
    const auto& record = life_.record();
    auto update = update_of(record, static_cast<JobStep>(1 + pick(5)), uint32_t(pick(4)));
    if (pick(8) == 0) update.key.epoch -= 1;  // of an earlier attempt
    update.phase = static_cast<uint32_t>(pick(3));
    if (update.step == JobStep::ended) {
      update.has_exit = pick(4) != 0;
      update.exit_code = pick(2) == 0 ? 0 : 1;
      update.signal = pick(6) == 0 ? 15 : 0;
      update.infrastructure = pick(4) == 0;
      update.stopped = pick(5) == 0;
      if (!update.has_exit) update.error = Error{Errc::unavailable, "lost", "", ""};
    }
    return update;
  }

  Effects input() {
    static const std::vector<std::string> names{"a", "b", "c"};
    if (life_.record().state == State::queued && pick(4) != 0) {
      std::vector<ExperimentLife::Place> places;
      auto count = 1 + pick(4);
      for (uint64_t i = 0; i < count; ++i) places.push_back({names[pick(3)], {}});
      placed_[++epoch_] = count;
      return life_.place(places, epoch_, t0);
    }
    switch (pick(24)) {
      case 0:
        return life_.kill("killed", t0);
      case 1:
        return life_.running_limit(t0);
      case 2:
        return life_.preempt("preempted", t0);
      case 3:
        return life_.lost_node(names[pick(3)], "gone", t0, t0);
      case 4:
        life_ = ExperimentLife{life_.record()};  // the head is restarted
        return {};
      default: {
        auto update = random_update();
        if (update.step != JobStep::ended) lives_ = update.key.job.index;
        return life_.update(update, t0);
      }
    }
  }

  void check_events(State before, State after, const Effects& effects) {
    auto state = before;
    for (const auto& event : effects.events) {
      auto from = state_from_string(event.from);
      auto to = state_from_string(event.to);
      ASSERT_TRUE(from && to) << event.from << " " << event.to;
      EXPECT_EQ(*from, state) << "events follow each other";
      EXPECT_TRUE(may_become(*from, *to)) << event.from << " -> " << event.to;
      state = *to;
    }
    EXPECT_EQ(state, after) << "every change is an event";
  }

  void check_jobs(const Effects& effects) {
    auto& released = released_[epoch_];
    for (auto index : effects.released)
      EXPECT_TRUE(released.insert(index).second) << "job " << index << " released twice";
    for (auto index : effects.stop)  // one that was given up may come back
      EXPECT_TRUE(!released.contains(index) || lives_ == index)
          << "job " << index << " stopped after its end";
  }

  std::mt19937_64 random_;
  ExperimentLife life_;
  uint64_t epoch_ = 10;
  std::optional<uint32_t> lives_;                    // the job of which a node has just said so
  std::map<uint64_t, uint64_t> placed_;              // attempts: epoch -> jobs
  std::map<uint64_t, std::set<uint32_t>> released_;  // by attempt
};

TEST(LifeProperty, NoSequenceOfInputsBreaksIt) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk{seed};
    for (int i = 0; i < 60 && !::testing::Test::HasFailure(); ++i) walk.step();
    walk.settle();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace troupe::actors
