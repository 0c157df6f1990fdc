// Negative controls: each promise is broken on purpose, and the checker has to see it. What it does
// not see here it would not see in the product either.
#include "tests/sim/simulation.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <unistd.h>

namespace troupe::sim {
namespace {

using ::testing::HasSubstr;
using Sabotage = std::function<void(Network&, HeadMachine&)>;

class Control : public ::testing::Test {
 protected:
  /// What the checker says in the first of some seeds that it finds wrong in this way.
  std::string caught(const Sabotage& sabotage, const std::string& wanted, uint64_t seeds = 60) {
    std::string others;
    SimulationOptions options;
    options.dir = fmt::format("{}/troupe-sim-test-{}", memory_folder(), ::getpid());
    options.sabotage = sabotage;
    for (options.seed = 1; options.seed <= seeds; ++options.seed) {
      auto outcome = simulate(options);
      for (const auto& failure : outcome.failures) {
        if (failure.find(wanted) != std::string::npos) return failure;
        others = failure;
      }
    }
    return "nothing of that; " + others;
  }
  void expect_caught(const Sabotage& sabotage, const std::string& wanted, uint64_t seeds = 60) {
    EXPECT_THAT(caught(sabotage, wanted, seeds), HasSubstr(wanted));
  }
  static Sabotage crossing(std::function<void(Side, caf::message&)> tamper) {
    return [tamper](Network& network, HeadMachine&) { network.tamper = tamper; };
  }
  static Sabotage written(std::function<void(std::vector<storage::Mutation>&)> distort) {
    return [distort](Network&, HeadMachine& head) { head.disk.distort = distort; };
  }
  template <class T>
  static T* part(caf::message& content) {
    return content.match_elements<caf::atom_value, T>() ? &content.get_mutable_as<T>(1) : nullptr;
  }
};

TEST_F(Control, AnAcknowledgementOfWhatWasNotWritten) {
  auto lie = [](Network&, HeadMachine& head) { head.disk.lies = true; };
  expect_caught(lie, "was acknowledged");
}

TEST_F(Control, ASubmissionThatIsMadeTwice) {
  auto forget_keys = [](std::vector<storage::Mutation>& list) {
    std::erase_if(list,
                  [](const auto& each) { return std::holds_alternative<storage::PutKey>(each); });
  };
  expect_caught(written(forget_keys), "the key of");
}

TEST_F(Control, AnEndThatChanges) {
  auto change = [](std::vector<storage::Mutation>& list) {
    for (const auto& each : std::vector<storage::Mutation>{list})
      if (const auto* put = std::get_if<storage::PutExperiment>(&each))
        if (put->record->state == State::finished) {
          auto other = *put->record;
          other.state = State::failed;
          list.push_back(
              storage::PutExperiment{std::make_shared<const ExperimentRecord>(other), false});
        }
  };
  expect_caught(written(change), "was FINISHED and is FAILED");
}

TEST_F(Control, AStateChangeWithoutItsEvent) {
  auto drop = [](std::vector<storage::Mutation>& list) {
    for (auto it = list.begin(); it != list.end(); ++it)
      if (const auto* append = std::get_if<storage::AppendEvent>(&*it))
        if (append->event.to == "STARTING") {
          list.erase(it);
          return;
        }
  };
  expect_caught(written(drop), "PREPARING");
}

TEST_F(Control, AGapInTheEvents) {
  auto skip = [](Network&, HeadMachine& head) {
    head.disk.committed = [was = head.disk.committed](auto mutations, storage::Committed range) {
      if (range.first_event > 5) ++range.first_event;
      was(mutations, range);
    };
  };
  expect_caught(skip, "events");
}

TEST_F(Control, AnAttemptBesideTheOneBefore) {
  auto reopen = [](std::vector<storage::Mutation>& list) {
    for (auto& each : list)
      if (auto* put = std::get_if<storage::PutExperiment>(&each);
          put && put->record->attempts.size() > 1) {
        auto other = *put->record;
        other.attempts[other.attempts.size() - 2].ended = {};
        put->record = std::make_shared<const ExperimentRecord>(other);
      }
  };
  expect_caught(written(reopen), "had ended");
}

/// What the newest attempt did is recorded as the deed of the first.
TEST_F(Control, ResultsOfAStaleAttempt) {
  auto confuse = [](std::vector<storage::Mutation>& list) {
    for (auto& each : list)
      if (auto* put = std::get_if<storage::PutExperiment>(&each);
          put && put->record->state == State::finished && put->record->attempts.size() > 1) {
        auto other = *put->record;
        other.attempts.back().epoch = other.attempts.front().epoch;
        put->record = std::make_shared<const ExperimentRecord>(other);
      }
  };
  expect_caught(written(confuse), "is FINISHED; job");
}

TEST_F(Control, AnExclusiveJobThatNothingEnds) {
  // No lease runs out for it, and what the head says of it when it hears of its node again is lost.
  auto forget = [](Side, caf::message& content) {
    if (auto* order = part<JobOrder>(content)) order->leased = false;
    if (content.match_elements<NodeWelcome>()) content.get_mutable_as<NodeWelcome>(0).stop.clear();
    if (content.match_elements<caf::atom_value, JobKey, uint32_t>() &&
        content.get_as<caf::atom_value>(0) == stop_atom::value)
      content.get_mutable_as<JobKey>(1).epoch = 0;
  };
  expect_caught(crossing(forget), "is exclusive and began", 400);
}

TEST_F(Control, AResultThatWasNone) {
  auto lie = [](Side, caf::message& content) {
    if (auto* update = part<JobUpdate>(content)) update->exit_code = 0;
  };
  expect_caught(crossing(lie), "is FINISHED; job");
}

TEST_F(Control, MoreThanANodeHas) {
  auto boast = [](Side, caf::message& content) {
    if (content.match_elements<NodeHello>()) {
      auto& hello = content.get_mutable_as<NodeHello>(0);
      hello.milli_cpus *= 3;
      hello.gpus *= 2;
    }
  };
  expect_caught(crossing(boast), "runs jobs for");
}

TEST_F(Control, PointsThatAreLostOnTheirWay) {
  auto lose = [](Side, caf::message& content) {
    if (auto* batch = part<MetricBatch>(content); batch && !batch->points.empty())
      batch->points.pop_back();
  };
  expect_caught(crossing(lose), "is stored 0 times");
}

TEST_F(Control, AnEndThatNobodyHearsOf) {
  auto hide = [](Side, caf::message& content) {
    if (auto* update = part<JobUpdate>(content); update && update->step == JobStep::ended)
      update->step = JobStep::running;
  };
  expect_caught(crossing(hide), "has its resources");
}

TEST_F(Control, AStaleAttemptThatNobodyEnds) {
  auto spare = [](Side from, caf::message& content) {
    if (from == Side::head && content.match_elements<caf::atom_value, JobKey>())
      content.get_mutable_as<JobKey>(1).epoch = 1;
  };
  expect_caught(crossing(spare), "still keeps");
}

}  // namespace
}  // namespace troupe::sim
