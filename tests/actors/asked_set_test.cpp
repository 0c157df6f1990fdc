// Sets whose members are run elsewhere: what is asked and told, what a dead head keeps of it, and
// what is refused.
#include "actors/head/search_checker.hpp"
#include "hpo/searcher.hpp"
#include "tests/actors/set_fixture.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace troupe::actors {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Params = std::map<std::string, Value>;

class AskedSet : public SetTest {
 protected:
  static Submission search(const std::string& strategy, uint64_t trials) {
    ExperimentSpec spec;
    spec.project = "p";
    Submission submission{std::move(spec), SweepSpec{}, ""};
    submission.sweep->ask = true;
    submission.sweep->strategy = strategy;
    submission.sweep->trials = trials;
    submission.sweep->seed = 7;
    submission.sweep->metric = Metric{false, "loss"};
    submission.experiment.parameters = x_and_y();
    return submission;
  }
  template <class T, class Request>
  Result<T> call(uint64_t top, Request request) {
    TrialCalls calls{top, {{"ada", std::move(request)}}};
    auto answer = this->HeadTest::template ask<TrialAnswersRef>(
        director, ask_atom_v, TrialCallsRef{std::make_shared<const TrialCalls>(std::move(calls))});
    if (!answer) return std::move(answer).error();
    return std::move(std::get<Result<T>>((**answer).front()));
  }
  Result<api::Asked> ask_for(uint64_t top, uint32_t count = 1, const std::string& key = "") {
    return call<api::Asked>(top, api::AskRequest{count, key});
  }
  Result<api::Told> tell(uint64_t top, api::TellRequest request) {
    return call<api::Told>(top, std::move(request));
  }
  Result<api::Told> tell(uint64_t top, uint32_t trial, double loss, State state = State::finished) {
    api::TellRequest request;
    request.trial = trial;
    request.state = state;
    request.metrics = {{"loss", loss}};
    return tell(top, std::move(request));
  }
  Result<bool> wish(uint64_t top, api::SetChange wanted) {
    return this->HeadTest::template ask<bool>(
        director, change_atom_v, std::string{"ada"}, top,
        SetChangeRef{std::make_shared<const api::SetChange>(std::move(wanted))});
  }
  Result<bool> change(uint64_t top, ValueMap changes) {
    return wish(top, api::SetChange{std::move(changes), {}, {}});
  }
  static double loss(const Params& params) {
    auto x = params.at("x").as_number();
    return (x - 0.3) * (x - 0.3) + (params.at("y") == Value{"b"} ? 0 : 1);
  }
  void restart() {
    stop_head();
    start_head();
  }
  /// Three loops beside each other that tell in turn, until nothing is left to be asked for.
  std::vector<Params> search_through(uint64_t top, bool disturbed) {
    std::vector<Params> tried;
    std::vector<api::Trial> running;
    for (uint64_t turn = 0;; ++turn) {
      if (disturbed && turn % 5 == 3) restart();
      while (running.size() < 3) {
        auto given = ask_for(top);
        EXPECT_TRUE(given) << to_string(given.error());
        if (!given || given->trials.empty()) break;
        tried.push_back(given->trials[0].params);
        running.push_back(given->trials[0]);
      }
      if (running.empty()) return tried;
      auto which = running.begin() + static_cast<std::ptrdiff_t>(turn % running.size());
      auto told = turn % 7 == 6 ? tell(top, which->id.member, 0, State::failed)
                                : tell(top, which->id.member, loss(which->params));
      EXPECT_TRUE(told) << to_string(told.error());
      running.erase(which);
    }
  }
  void expect_replay(uint64_t top) {
    auto record = set(top);
    auto searcher =
        hpo::Searcher::make(record.spec->parameters, record.sweep, record.picked).value();
    auto members = ledger->members(top, 1, 1000).value();
    for (uint64_t page = 0;;) {
      auto pages = ledger->search(top, page).value();
      if (pages.entries.empty()) return;
      page = pages.next;
      for (const auto& entry : pages.entries) {
        const auto& point = members.at(entry.trial - 1).params;
        if (entry.kind == SearchEntry::Kind::born) {
          EXPECT_EQ(searcher.peek(entry.trial).value(), point) << "trial " << entry.trial;
        }
        searcher.retell(entry, point);
      }
    }
  }
};

TEST_F(AskedSet, GivesPointsAndTakesResults) {
  start_head();
  auto top = start(search("tpe", 20));
  EXPECT_EQ(set(top).state, State::queued);
  auto first = ask_for(top).value();
  ASSERT_EQ(first.trials.size(), 1u);
  EXPECT_EQ(to_string(first.trials[0].id), "1.1");
  EXPECT_EQ(set(top).state, State::running);
  EXPECT_EQ(state({top, 1}), State::running);
  EXPECT_EQ(experiment({top, 1}).params, first.trials[0].params);
  auto told = tell(top, 1, 0.5).value();
  EXPECT_TRUE(told.best);
  EXPECT_FALSE(told.done);
  EXPECT_EQ(state({top, 1}), State::finished);
  auto more = ask_for(top, 5).value();
  EXPECT_EQ(more.trials.size(), 5u);
  EXPECT_EQ(set(top).next, 7u);
  EXPECT_EQ(set(top).best_params, first.trials[0].params);
}

TEST_F(AskedSet, EndsWithItsTrials) {
  start_head();
  auto top = start(search("random", 4));
  auto given = ask_for(top, 10).value();
  EXPECT_EQ(given.trials.size(), 4u);
  EXPECT_TRUE(given.done);
  EXPECT_THAT(given.reason, HasSubstr("all 4 trials"));
  for (uint32_t trial = 1; trial <= 4; ++trial) EXPECT_TRUE(tell(top, trial, trial));
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(*set(top).best_member, 1u);
  auto after = ask_for(top).value();
  EXPECT_TRUE(after.done);
  EXPECT_THAT(after.trials, IsEmpty());
  EXPECT_TRUE(tell(top, 2, 2)->repeated) << "the ledger still knows";
  EXPECT_EQ(tell(top, 2, 3).error().code, Errc::conflict);
}

TEST_F(AskedSet, AnExhaustedSpaceEndsIt) {
  start_head();
  auto submission = search("tpe", 20);
  submission.experiment.parameters[0].range.reset();
  submission.experiment.parameters[0].choices = {Value{0.0}, Value{0.5}};
  auto top = start(std::move(submission));
  auto given = ask_for(top, 20).value();
  EXPECT_EQ(given.trials.size(), 6u);
  EXPECT_TRUE(given.done);
  for (const auto& trial : given.trials) EXPECT_TRUE(tell(top, trial.id.member, 1));
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(set(top).size, 6u);
}

TEST_F(AskedSet, ADeadHeadChangesNoPoint) {
  for (const auto* strategy : {"random", "tpe", "gp", "nsga2"}) {
    std::vector<Params> undisturbed;
    for (bool disturbed : {false, true}) {
      start_head();
      auto top = start(search(strategy, 18));
      auto tried = search_through(top, disturbed);
      EXPECT_EQ(tried.size(), 18u);
      EXPECT_EQ(set(top).state, State::finished) << strategy;
      EXPECT_EQ(set(top).failed, 2u);
      if (!disturbed) undisturbed = tried;
      EXPECT_EQ(tried, undisturbed) << strategy;
      expect_replay(top);
      stop_head();
    }
  }
}

TEST_F(AskedSet, AKeyGetsTheSameTrialsAgain) {
  start_head();
  auto top = start(search("tpe", 20));
  auto first = ask_for(top, 3, "k").value();
  EXPECT_FALSE(first.repeated);
  ASSERT_TRUE(ask_for(top, 2));
  for (int turn = 0; turn < 2; ++turn) {
    auto again = ask_for(top, 3, "k").value();
    EXPECT_TRUE(again.repeated);
    ASSERT_EQ(again.trials.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(again.trials[i].id, first.trials[i].id);
      EXPECT_EQ(again.trials[i].params, first.trials[i].params);
    }
    restart();
  }
  EXPECT_EQ(set(top).next, 6u);
}

TEST_F(AskedSet, ToldTwiceIsOneResultOrAConflict) {
  start_head();
  auto top = start(search("tpe", 20));
  ASSERT_TRUE(ask_for(top, 2));
  EXPECT_FALSE(tell(top, 1, 0.5)->repeated);
  EXPECT_TRUE(tell(top, 1, 0.5)->repeated);
  auto other = tell(top, 1, 0.6);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::conflict);
  EXPECT_THAT(other.error().detail, HasSubstr("FINISHED: told by ada"));
  EXPECT_EQ(tell(top, 1, 0.5, State::failed).error().code, Errc::conflict);
  EXPECT_EQ(set(top).finished, 1u);
}

TEST_F(AskedSet, RefusesWhatIsNoResult) {
  start_head();
  auto top = start(search("tpe", 20));
  ASSERT_TRUE(ask_for(top, 2));
  EXPECT_EQ(tell(top, 9, 0.5).error().code, Errc::not_found);
  auto refused = [&](ValueMap metrics, Value value = {}) {
    api::TellRequest request;
    request.trial = 1;
    request.metrics = std::move(metrics);
    request.value = std::move(value);
    auto told = tell(top, std::move(request));
    EXPECT_FALSE(told);
    return told ? std::string{} : told.error().detail;
  };
  EXPECT_THAT(refused({{"accuracy", 0.5}}), HasSubstr("the metric loss is missing"));
  EXPECT_THAT(refused({{"loss", std::nan("")}}), HasSubstr("no finite number"));
  EXPECT_THAT(refused({{"loss", HUGE_VAL}}), HasSubstr("no finite number"));
  EXPECT_THAT(refused({{"loss", "0.5"}}), HasSubstr("loss is \"0.5\""));
  EXPECT_THAT(refused({}, ValueList{0.5, 0.6}), HasSubstr("2 values for 1"));
  EXPECT_THAT(refused({{"loss", 0.5}}, 0.6), HasSubstr("loss is told as 0.5 and as 0.6"));
  EXPECT_EQ(state({top, 1}), State::running) << "none of that ended it";
  api::TellRequest bare;
  bare.trial = 1;
  bare.value = 0.25;
  EXPECT_TRUE(tell(top, bare));
  EXPECT_EQ(set(top).best_value, 0.25);
  EXPECT_EQ(ask_for(99).error().code, Errc::not_found);
  auto runs = search("random", 4);
  runs.sweep->ask = false;
  runs.experiment.run = {Command{"train {{x}} {{y}}", {}}};
  EXPECT_THAT(ask_for(start(runs)).error().what, HasSubstr("runs its members itself"));
  runs.sweep->ask = true;
  EXPECT_FALSE(submit(runs)) << "nothing runs in such a set";
}

TEST_F(AskedSet, AsManyRunAsMay) {
  start_head();
  auto submission = search("random", 20);
  submission.sweep->concurrency = 3;
  auto top = start(std::move(submission));
  EXPECT_EQ(ask_for(top, 5)->trials.size(), 3u);
  auto none = ask_for(top).value();
  EXPECT_THAT(none.trials, IsEmpty());
  EXPECT_FALSE(none.done);
  EXPECT_THAT(none.reason, HasSubstr("3 trials are running"));
  EXPECT_TRUE(tell(top, 2, 1));
  EXPECT_EQ(ask_for(top)->trials.size(), 1u);
}

TEST_F(AskedSet, EarlyStoppingAnswersReports) {
  start_head();
  auto submission = search("random", 20);
  submission.sweep->early_stop = ValueMap{{"algorithm", "asha"}, {"resource", "epoch"}, {"max", 9}};
  auto top = start(std::move(submission));
  ASSERT_TRUE(ask_for(top, 3));
  auto report = [&](uint32_t trial, double epoch, double loss) {
    api::TellRequest request;
    request.trial = trial;
    request.state = State::running;
    request.metrics = {{"epoch", epoch}, {"loss", loss}};
    return tell(top, std::move(request));
  };
  EXPECT_FALSE(report(1, 1, 0.1)->stop);
  auto stopped = report(2, 1, 0.5).value();
  EXPECT_TRUE(stopped.stop);
  EXPECT_THAT(stopped.reason, HasSubstr("asha"));
  restart();
  EXPECT_TRUE(report(2, 2, 0.4)->stop) << "said again where it goes on all the same";
  EXPECT_TRUE(tell(top, 2, 0.4));
  EXPECT_EQ(experiment({top, 2}).stopped, stopped.reason);
  EXPECT_EQ(set(top).stopped, 1u);
  api::TellRequest without;
  without.trial = 3;
  without.state = State::running;
  without.metrics = {{"loss", 0.5}};
  EXPECT_THAT(tell(top, without).error().detail, HasSubstr("epoch is missing"));
}

TEST_F(AskedSet, StopWhenEndsWhatRuns) {
  start_head();
  auto submission = search("random", 20);
  submission.sweep->stop_when = "loss <= 0.1";
  auto top = start(std::move(submission));
  ASSERT_TRUE(ask_for(top, 3));
  auto told = tell(top, 2, 0.05).value();
  EXPECT_TRUE(told.best);
  EXPECT_TRUE(told.done);
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_EQ(state({top, 1}), State::killed);
  EXPECT_EQ(tell(top, 1, 0.5).error().code, Errc::conflict);
}

TEST_F(AskedSet, IsKilledWholeOrByTrial) {
  start_head();
  auto top = start(search("tpe", 20));
  ASSERT_TRUE(ask_for(top, 3));
  EXPECT_TRUE(kill({top, 2}).value());
  EXPECT_EQ(state({top, 2}), State::killed);
  EXPECT_FALSE(kill({top, 2}).value());
  EXPECT_EQ(tell(top, 2, 1).error().code, Errc::conflict);
  EXPECT_EQ(set(top).state, State::running);
  EXPECT_TRUE(kill({top, 0}).value());
  EXPECT_EQ(set(top).state, State::killed);
  EXPECT_EQ(set(top).killed, 3u);
  EXPECT_EQ(state({top, 1}), State::killed);
  auto after = ask_for(top);
  ASSERT_FALSE(after);
  EXPECT_THAT(after.error().detail, HasSubstr("killed by ada"));
}

TEST_F(AskedSet, IsChangedWhileItIsAsked) {
  start_head();
  auto top = start(search("tpe", 3));
  ASSERT_EQ(ask_for(top, 3)->trials.size(), 3u);
  EXPECT_TRUE(ask_for(top)->done);
  ASSERT_TRUE(change(top, {{"trials", 8}, {"concurrency", 4}}));
  EXPECT_EQ(set(top).size, 8u);
  auto more = ask_for(top, 3);
  EXPECT_EQ(more->trials.size(), 1u);
  EXPECT_THAT(more->reason, HasSubstr("4 trials are running"));
  ASSERT_TRUE(change(top, {{"concurrency", Value{}}}));
  restart();
  EXPECT_EQ(set(top).sweep.trials, 8u);
  ASSERT_TRUE(wish(top, {{}, {Params{{"x", Value{0.125}}, {"y", Value{"b"}}}}, {}}));
  auto added = ask_for(top);
  ASSERT_EQ(added->trials.size(), 1u);
  EXPECT_EQ(added->trials[0].params.at("x"), Value{0.125}) << "what was added comes next";
  EXPECT_EQ(set(top).size, 9u);
  ASSERT_TRUE(wish(top, {{}, {}, {2}}));
  auto told = tell(top, 2, 0.5, State::running);
  EXPECT_TRUE(told->stop);
  EXPECT_THAT(told->reason, HasSubstr("skipped by ada"));
  ASSERT_TRUE(change(top, {{"stop_when", "loss < 0.1"}}));
  ASSERT_TRUE(tell(top, 1, 0.05));
  EXPECT_EQ(set(top).state, State::finished);
  EXPECT_THAT(set(top).reason, HasSubstr("loss < 0.1"));
  auto replay = replay_search(*ledger, top);
  ASSERT_TRUE(replay);
  EXPECT_EQ(replay->differences, 0u);
  EXPECT_FALSE(change(top, {{"trials", 20}})) << "it has ended";
}

TEST_F(AskedSet, RefusesChangesThatMakeNoSenseElsewhere) {
  start_head();
  auto top = start(search("tpe", 5));
  ASSERT_TRUE(ask_for(top, 2));
  for (const auto& [changes, why] :
       std::vector<std::pair<ValueMap, std::string>>{{{{"budget", "1h"}}, "budget"},
                                                     {{{"concurrency", "2..8"}}, "give back"},
                                                     {{{"trials", 1}}, "exist already"},
                                                     {{{"speed", 1}}, "early_stop"}}) {
    auto refused = change(top, changes);
    ASSERT_FALSE(refused) << why;
    EXPECT_THAT(to_string(refused.error()), HasSubstr(why));
  }
  EXPECT_FALSE(wish(top, {{}, {}, {4}})) << "nobody has asked for it";
  EXPECT_EQ(set(top).submitted, nullptr);
}

TEST_F(AskedSet, AnotherRuleOfEarlyStoppingIsAskedFromThenOn) {
  start_head();
  auto top = start(search("tpe", 9));
  ASSERT_TRUE(ask_for(top, 3));
  ASSERT_TRUE(change(top, {{"early_stop", ValueMap{{"algorithm", "asha"}, {"max", 9}}}}));
  for (uint32_t trial : {1u, 2u, 3u}) {
    api::TellRequest request;
    request.trial = trial;
    request.state = State::running;
    request.metrics = {{"loss", static_cast<double>(trial)}, {"step", 1}};
    auto told = tell(top, request);
    ASSERT_TRUE(told) << to_string(told.error());
    EXPECT_EQ(told->stop, trial != 1) << trial;
  }
}

TEST_F(AskedSet, AKillWhileACommitIsOnItsWayIsDurable) {
  start_head();
  auto top = start(search("tpe", 5));
  ASSERT_TRUE(ask_for(top));
  gate->held = true;
  TrialCalls calls{top, {{"ada", api::AskRequest{1, ""}}}};
  caf::anon_send(director, ask_atom_v,
                 TrialCallsRef{std::make_shared<const TrialCalls>(std::move(calls))});
  run();
  caf::anon_send(director, kill_atom_v, std::string{"killed by ada"}, ExperimentId{top, 0});
  run();
  release_ledger();
  run();
  EXPECT_EQ(set(top).state, State::killed);
  EXPECT_EQ(state({top, 2}), State::killed);
}

TEST_F(AskedSet, WhatNobodyTellsEndsWithItsLimit) {
  start_head();
  auto submission = search("random", 20);
  submission.sweep->concurrency = 1;
  submission.experiment.limits.running = minutes{10};
  auto top = start(std::move(submission));
  ASSERT_TRUE(ask_for(top));
  advance(minutes{9});
  EXPECT_THAT(ask_for(top)->trials, IsEmpty());
  advance(minutes{2});
  EXPECT_EQ(ask_for(top)->trials.size(), 1u);
  EXPECT_EQ(state({top, 1}), State::killed);
}

TEST_F(AskedSet, AFullDiskLosesNoTrial) {
  start_head();
  auto top = start(search("tpe", 20));
  ASSERT_TRUE(ask_for(top, 2));
  commit_fault = [](std::span<const storage::Mutation>) -> std::optional<Error> {
    return Error{Errc::exhausted, "no space", "", ""};
  };
  EXPECT_EQ(ask_for(top).error().code, Errc::exhausted);
  EXPECT_EQ(ask_for(top, 2, "k").error().code, Errc::exhausted);
  EXPECT_EQ(tell(top, 1, 0.5).error().code, Errc::exhausted);
  commit_fault = nullptr;
  EXPECT_TRUE(tell(top, 1, 0.5)->repeated);
  EXPECT_EQ(ask_for(top)->trials.at(0).id.member, 3u) << "the one that nobody got";
  auto keyed = ask_for(top, 2, "k").value();
  EXPECT_TRUE(keyed.repeated);
  EXPECT_EQ(keyed.trials.at(0).id.member, 4u);
  EXPECT_EQ(ask_for(top)->trials.at(0).id.member, 6u);
  advance(seconds{3});
  EXPECT_EQ(state({top, 1}), State::finished);
  EXPECT_EQ(set(top).next, 7u);
  expect_replay(top);
}

}  // namespace
}  // namespace troupe::actors
