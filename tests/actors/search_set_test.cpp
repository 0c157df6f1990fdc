// Sets whose strategy learns: members born when there is a place, and a search that a dead head
// does not disturb.
#include "hpo/searcher.hpp"
#include "tests/actors/set_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

namespace troupe::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SearchSet : public SetTest {
 protected:
  static Submission search(const std::string& strategy, uint64_t trials) {
    Submission submission{spec_of("train {{x}} {{y}}"), SweepSpec{}, ""};
    submission.sweep->strategy = strategy;
    submission.sweep->trials = trials;
    submission.sweep->seed = 7;
    submission.sweep->concurrency = 3;
    submission.sweep->metric = Metric{false, "loss"};
    submission.experiment.parameters = x_and_y();
    return submission;
  }
  static double loss(const std::map<std::string, Value>& params) {
    auto x = params.at("x").as_number();
    return (x - 0.3) * (x - 0.3) + (params.at("y") == Value{"b"} ? 0 : 1);
  }
  /// Ends one of those that run, by turns this or that.
  void end_one(uint64_t turn) {
    auto orders = running();
    ASSERT_FALSE(orders.empty());
    const auto& order = orders[turn % orders.size()];
    auto member = experiment(order.key.job.experiment);
    if (turn % 5 == 4) return report_exit(order, 1);
    report_metrics(order, {{"loss", loss(member.params)}});
    report_exit(order, 0);
  }
  void restart() {
    auto orders = running();
    restart_with(orders);
    node->started = orders;
  }
  std::vector<std::map<std::string, Value>> points(uint64_t top) {
    std::vector<std::map<std::string, Value>> all;
    auto members = ledger->members(top, 1, 1000);
    for (const auto& member : *members) all.push_back(member.params);
    return all;
  }
  std::vector<SearchEntry> entries(uint64_t top) {
    std::vector<SearchEntry> all;
    for (uint64_t page = 0;;) {
      auto pages = ledger->search(top, page).value();
      if (pages.entries.empty()) return all;
      all.insert(all.end(), pages.entries.begin(), pages.entries.end());
      page = pages.next;
    }
  }
  /// Asks a search of its own for each point, told what the ledger has.
  void expect_replay(uint64_t top) {
    auto record = set(top);
    auto searcher =
        hpo::Searcher::make(record.spec->parameters, record.sweep, record.picked).value();
    auto tried = points(top);
    for (const auto& entry : entries(top)) {
      hpo::Point point;
      if (entry.trial <= tried.size()) point = tried[entry.trial - 1];
      if (entry.kind == SearchEntry::Kind::born) {
        EXPECT_EQ(searcher.peek(entry.trial).value(), point) << "member " << entry.trial;
      }
      searcher.retell(entry, point);
    }
  }
};

TEST_F(SearchSet, BearsAMemberWhenThereIsAPlace) {
  start_head();
  node = join("a", 64000);
  auto top = start(search("tpe", 20));
  EXPECT_EQ(points(top).size(), 3u);
  for (uint64_t turn = 0; turn < 20; ++turn) end_one(turn);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(points(top).size(), 20u);
  EXPECT_EQ(set(top).failed, 4u);
  EXPECT_EQ(set(top).best_params, points(top)[*set(top).best_member - 1]);
  expect_replay(top);
}

TEST_F(SearchSet, WithoutAConcurrencyItGrowsIntoTheCluster) {
  start_head();
  node = join("a", 4000);
  auto submission = search("tpe", 20);
  submission.sweep->concurrency.reset();
  auto top = start(std::move(submission));
  EXPECT_EQ(node->started.size(), 4u);
  EXPECT_EQ(points(top).size(), 5u) << "one waits for a place, the others are not born";
  end_one(0);
  EXPECT_EQ(points(top).size(), 6u);
}

TEST_F(SearchSet, ADeadHeadChangesNoPoint) {
  for (const auto* strategy : {"tpe", "gp", "cma-es", "auto"}) {
    std::vector<std::map<std::string, Value>> undisturbed;
    for (bool disturbed : {false, true}) {
      start_head();
      node = join("a", 64000);
      auto submission = search(strategy, 18);
      if (std::string{strategy} == "cma-es")
        submission.experiment.parameters[1].choices = {Value{"b"}};
      auto top = start(std::move(submission));
      for (uint64_t turn = 0; turn < 18; ++turn) {
        if (disturbed && turn % 4 == 3) restart();
        end_one(turn);
      }
      EXPECT_EQ(set(top).state, State::finished) << strategy;
      if (!disturbed) undisturbed = points(top);
      EXPECT_EQ(points(top), undisturbed) << strategy;
      expect_replay(top);
      stop_head();
    }
  }
}

TEST_F(SearchSet, AutoSaysWhatItPickedAndWhy) {
  start_head();
  node = join("a", 64000);
  auto top = start(search("auto", 30));
  EXPECT_EQ(set(top).picked, "gp");
  EXPECT_THAT(set(top).picked_reason, HasSubstr("30 trials over 2 parameters"));
  EXPECT_EQ(set(top).sweep.strategy, "auto");
}

TEST_F(SearchSet, AnExhaustedSpaceEndsIt) {
  start_head();
  node = join("a", 64000);
  auto submission = search("tpe", 20);
  submission.experiment.parameters[0].range.reset();
  submission.experiment.parameters[0].choices = {Value{0.0}, Value{0.5}};
  auto top = start(std::move(submission));
  for (uint64_t turn = 0; turn < 6; ++turn) end_one(turn);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).size, 6u);
}

TEST_F(SearchSet, TriesFirstWhatWasEnqueued) {
  start_head();
  node = join("a", 64000);
  auto submission = search("tpe", 20);
  submission.sweep->enqueue = {{{"x", Value{0.25}}, {"y", Value{"b"}}}, {{"y", Value{"c"}}}};
  auto top = start(submission);
  EXPECT_EQ(points(top)[0], (std::map<std::string, Value>{{"x", Value{0.25}}, {"y", Value{"b"}}}));
  EXPECT_EQ(points(top)[1].at("y"), Value{"c"});
  for (uint64_t turn = 0; turn < 12; ++turn) end_one(turn);
  expect_replay(top);
  submission.sweep->enqueue = {{{"x", Value{1.5}}}};
  auto refused = submit(submission);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "sweep.enqueue[0].x");
  submission.sweep->enqueue = {{{"z", Value{1.5}}}};
  EXPECT_FALSE(submit(submission));
}

TEST_F(SearchSet, LearnsFromAnEarlierSet) {
  start_head();
  node = join("a", 64000);
  auto first = start(search("tpe", 12));
  for (uint64_t turn = 0; turn < 12; ++turn) end_one(turn);
  auto submission = search("tpe", 6);
  submission.sweep->from = first;
  auto second = start(submission);
  auto told = entries(second);
  EXPECT_EQ(
      std::count_if(told.begin(), told.end(),
                    [](const SearchEntry& entry) { return entry.kind == SearchEntry::Kind::told; }),
      12);
  EXPECT_THAT(told.back().note, HasSubstr("10 results, 2 failed"));
  restart();
  for (uint64_t turn = 0; turn < 6; ++turn) end_one(turn);
  expect_replay(second);
  submission.sweep->from = 99;
  auto refused = submit(submission);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  submission.sweep->from = first;
  submission.experiment.parameters.push_back({"z", {1, 2}, {}});
  submission.experiment.run = {Command{"train {{x}} {{y}} {{z}}", {}}};
  refused = submit(submission);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("no parameter z"));
}

TEST_F(SearchSet, KeepsTheFrontOfSeveralObjectives) {
  start_head();
  node = join("a", 64000);
  auto submission = search("auto", 3);
  submission.sweep->more_metrics = {Metric{true, "accuracy"}};
  auto top = start(submission);
  EXPECT_EQ(set(top).picked, "tpe");
  std::vector<std::map<std::string, double>> values{{{"loss", 1}, {"accuracy", 0.5}},
                                                    {{"loss", 2}, {"accuracy", 0.4}},
                                                    {{"loss", 3}, {"accuracy", 0.9}}};
  auto orders = node->started;
  ASSERT_EQ(orders.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    report_metrics(orders[i], values[i]);
    report_exit(orders[i], 0);
  }
  EXPECT_THAT(set(top).front, ElementsAre(1u, 3u));
  submission.sweep->strategy = "gp";
  auto refused = submit(submission);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().hint, HasSubstr("tpe, nsga2"));
}

TEST_F(SearchSet, AFullDiskChangesNoPoint) {
  start_head();
  node = join("a", 64000);
  auto top = start(search("tpe", 16));
  for (uint64_t turn = 0; turn < 16; ++turn) {
    if (turn % 5 == 2)
      commit_fault = [](std::span<const storage::Mutation> mutations) -> std::optional<Error> {
        for (const auto& mutation : mutations)
          if (const auto* put = std::get_if<storage::PutExperiment>(&mutation); put && put->is_new)
            return Error{Errc::exhausted, "no space", "", ""};
        return std::nullopt;
      };
    end_one(turn);
    commit_fault = nullptr;
    advance(seconds{2});
  }
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(points(top).size(), 16u);
  expect_replay(top);
}

TEST_F(SearchSet, AMetricThatNeverComesFailsNothingButTheSearch) {
  start_head();
  node = join("a", 64000);
  auto top = start(search("tpe", 5));
  while (!running().empty()) report_exit(running().front(), 0);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).finished, 5u);
  EXPECT_FALSE(set(top).best_member);
}

}  // namespace
}  // namespace troupe::actors
