#include "runtime/core/submission_check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace troupe {
namespace {

Submission plain() {
  Submission submission;
  submission.experiment.project = "p";
  submission.experiment.run = {Command{"x", {}}};
  return submission;
}

Parameter range(std::string name, Value min, Value max) {
  return Parameter{
      std::move(name), {}, ParameterRange{std::move(min), std::move(max), {}, {}, false}};
}

Submission grid(std::vector<Parameter> parameters, std::string strategy = "grid") {
  auto submission = plain();
  for (const auto& p : parameters) submission.experiment.run[0].shell += " {{" + p.name + "}}";
  submission.experiment.parameters = std::move(parameters);
  submission.sweep.emplace().strategy = std::move(strategy);
  return submission;
}

std::string path_of(const Submission& submission) {
  auto problem = check_submission(submission);
  return problem ? problem->path : "fine";
}

TEST(SubmissionCheck, AcceptsTheLeast) {
  EXPECT_EQ(path_of(plain()), "fine");
}

TEST(SubmissionCheck, NamesTheKeyAtFault) {
  auto with = [](auto change) {
    auto submission = plain();
    change(submission.experiment);
    return path_of(submission);
  };
  EXPECT_EQ(with([](auto& s) { s.project = ""; }), "project");
  EXPECT_EQ(with([](auto& s) { s.project = "../x"; }), "project");
  EXPECT_EQ(with([](auto& s) { s.name = "a b"; }), "name");
  EXPECT_EQ(with([](auto& s) { s.run.clear(); }), "run");
  EXPECT_EQ(with([](auto& s) { s.run.push_back(Command{" \n", {}}); }), "run[1]");
  EXPECT_EQ(with([](auto& s) { s.run[0].argv = {"a"}; }), "run[0]");
  EXPECT_EQ(with([](auto& s) { s.run[0].shell = std::string{"a\0b", 3}; }), "run[0]");
  EXPECT_EQ(with([](auto& s) { s.setup.emplace_back(); }), "setup[0]");
  for (double cpus : {0.0, -1.0, 1e9, std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_EQ(with([&](auto& s) { s.resources.cpus = cpus; }), "resources.cpus");
  EXPECT_EQ(with([](auto& s) { s.resources.mem = 1, s.resources.shm = 2; }), "resources.shm");
  EXPECT_EQ(with([](auto& s) { s.workers.min = 0; }), "workers");
  EXPECT_EQ(with([](auto& s) { s.workers = {2, 1, 0}; }), "workers");
  EXPECT_EQ(with([](auto& s) { s.workers.max = 100'000; }), "workers");
  EXPECT_EQ(with([](auto& s) { s.workers.processes = 100'000; }), "workers.processes");
  EXPECT_EQ(with([](auto& s) { s.priority = 101; }), "priority");
  EXPECT_EQ(with([](auto& s) { s.priority = -1; }), "priority");
  EXPECT_EQ(with([](auto& s) { s.env["1A"] = ""; }), "env.1A");
  EXPECT_EQ(with([](auto& s) { s.env["TROUPE_ID"] = ""; }), "env.TROUPE_ID");
  EXPECT_EQ(with([](auto& s) { s.env["TROUPE_COMM_TRANSPORT"] = "tcp"; }), "fine");
  EXPECT_EQ(with([](auto& s) { s.env["CUDA_VISIBLE_DEVICES"] = "0"; }), "env.CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(with([](auto& s) { s.labels["a b"] = ""; }), "labels.a b");
  EXPECT_EQ(with([](auto& s) { s.data = {{"", ""}}; }), "data[0]");
  EXPECT_EQ(with([](auto& s) { s.data = {{"a:1", ""}, {"b", "a"}}; }), "data[1]");
  EXPECT_EQ(with([](auto& s) { s.data = {{"a", "../x"}}; }), "data[0]");
  EXPECT_EQ(with([](auto& s) { s.limits.running = Duration{-1}; }), "limits.running");
  EXPECT_EQ(with([](auto& s) { s.after.emplace_back(); }), "after");
  EXPECT_EQ(with([](auto& s) { s.run.assign(3, Command{std::string(100'000, 'x'), {}}); }), "");
}

TEST(SubmissionCheck, PlaceholdersAndParametersMustMeet) {
  auto submission = plain();
  submission.experiment.parameters = {Parameter{"lr", {1}, {}}};
  EXPECT_EQ(path_of(submission), "parameters.lr");
  submission.experiment.env["LR"] = "{{ lr }}";
  EXPECT_EQ(path_of(submission), "fine");
  submission.experiment.env["LR"] = "{{rl}}";
  EXPECT_EQ(path_of(submission), "env.LR");
  submission.experiment.env.clear();
  submission.experiment.run[0] = Command{"", {"x", "--lr={{lr}}"}};
  EXPECT_EQ(path_of(submission), "fine");
  submission.experiment.run[0] = Command{"echo `{{lr}}`", {}};
  EXPECT_EQ(path_of(submission), "run[0]");
}

TEST(SubmissionCheck, ParameterNamesMustDiffer) {
  auto a = Parameter{"a.b", {1}, {}};
  auto b = Parameter{"a-b", {1}, {}};
  EXPECT_EQ(path_of(grid({a, a})), "parameters.a.b");
  // Both would be TROUPE_P_A_B.
  EXPECT_EQ(path_of(grid({a, b})), "parameters.a-b");
}

TEST(SubmissionCheck, PlainRunHasOneValueOfEach) {
  auto submission = grid({Parameter{"a", {1, 2}, {}}});
  EXPECT_EQ(path_of(submission), "fine");
  submission.sweep.reset();
  auto problem = check_submission(submission);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->path, "parameters.a");
  EXPECT_NE(problem->hint.find("--param a=1"), std::string::npos);
}

TEST(SubmissionCheck, CountsGridsWithoutOverflow) {
  EXPECT_EQ(path_of(grid({range("a", 1, 1000), range("b", 1, 1000)})), "fine");
  EXPECT_EQ(path_of(grid({range("a", 1, 1000), range("b", 1, 1001)})), "parameters");
  auto widest =
      range("a", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  auto other = widest;
  other.name = "b";
  EXPECT_EQ(path_of(grid({widest, other, range("c", 1, 2)})), "parameters");
  std::vector<Parameter> many;
  for (int i = 0; i < 64; ++i) many.push_back(Parameter{"p" + std::to_string(i), {1, 2}, {}});
  EXPECT_EQ(path_of(grid(many)), "parameters");
  auto stepped = range("a", 0.0, 0.9);
  stepped.range->step = 1e-6;
  EXPECT_EQ(path_of(grid({stepped})), "fine");
  auto counted = range("a", 1, 10);
  counted.range->count = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(path_of(grid({counted})), "fine");  // an integer range has no more points than this
  counted = range("a", 1.0, 10.0);
  counted.range->count = 2'000'000;
  EXPECT_EQ(path_of(grid({counted})), "parameters");
}

TEST(SubmissionCheck, ASweepNeedsParameters) {
  EXPECT_EQ(path_of(grid({})), "parameters");
  EXPECT_EQ(path_of(grid({Parameter{"a", {1}, {}}})), "fine");
}

TEST(SubmissionCheck, NothingIsLongerThanTheKernelTakes) {
  auto run_of = [](std::vector<std::string> words) {
    Submission submission;
    submission.experiment.project = "demo";
    submission.experiment.run.push_back({"", std::move(words)});
    return submission;
  };
  std::string longest(128 * 1024 - 1, 'x');
  EXPECT_EQ(path_of(run_of({"true", longest})), "fine");
  EXPECT_EQ(path_of(run_of({"true", longest + "x"})), "run[0]");
  auto line = run_of({});
  line.experiment.run[0] = {"true " + longest, {}};
  EXPECT_EQ(path_of(line), "run[0]");
  auto env = run_of({"true"});
  env.experiment.env["A"] = longest;
  EXPECT_EQ(path_of(env), "env");
  // Short as it is written, long with what its parameter puts in.
  auto filled = run_of({"true", "{{a}}{{a}}"});
  filled.experiment.parameters = {Parameter{"a", {std::string(70'000, 'y')}, {}}};
  EXPECT_EQ(path_of(filled), "run[0]");
  // Each word is short enough, all together are not.
  auto many = run_of({"true"});
  for (int i = 0; i < 16; ++i) many.experiment.run[0].argv.emplace_back("{{a}}");
  many.experiment.parameters = {Parameter{"a", {std::string(70'000, 'y')}, {}}};
  EXPECT_EQ(path_of(many), "run[0]");
}

TEST(SubmissionCheck, StrategiesMustFitTheSpace) {
  EXPECT_EQ(path_of(grid({range("a", 0.0, 1.0)})), "parameters.a.range");
  EXPECT_EQ(path_of(grid({range("a", 0.5, 0.5)})), "fine");
  auto random = grid({range("a", 0.0, 1.0)}, "random");
  EXPECT_EQ(path_of(random), "sweep");
  random.sweep->trials = 10;
  EXPECT_EQ(path_of(random), "fine");
  random.sweep->trials = 0;
  EXPECT_EQ(path_of(random), "sweep.trials");
  random.sweep->trials = 1'000'001;
  EXPECT_EQ(path_of(random), "sweep.trials");
  EXPECT_EQ(path_of(grid({range("a", 1, 100)}, "random")), "fine");
  EXPECT_EQ(path_of(grid({range("a", 1, 2'000'000)}, "random")), "sweep");
  EXPECT_EQ(path_of(grid({range("a", 1, 2)}, "list")), "parameters.a");
  EXPECT_EQ(path_of(grid({}, "bayes")), "sweep.strategy");
  auto early = grid({Parameter{"a", {1, 2}, {}}});
  early.sweep->early_stop = ValueMap{{"algorithm", "asha"}};
  EXPECT_EQ(path_of(early), "sweep.early_stop");
  auto bad = grid({range("a", 2, 1)});
  EXPECT_EQ(path_of(bad), "parameters.a.range.min");
}

TEST(SubmissionCheck, PointsHaveTheSameParameters) {
  auto submission = plain();
  submission.experiment.run[0].shell = "x {{a}} {{b}}";
  submission.sweep.emplace().strategy = "list";
  submission.sweep->points = {{{"a", 1}, {"b", 2}}, {{"a", 2}, {"b", "x"}}};
  EXPECT_EQ(path_of(submission), "fine");
  submission.sweep->strategy = "grid";
  EXPECT_EQ(path_of(submission), "sweep.strategy");
  submission.sweep->strategy = "list";
  submission.sweep->points[1].erase("b");
  EXPECT_EQ(path_of(submission), "parameters[1]");
  submission.sweep->points[1]["b"] = ValueList{1};
  EXPECT_EQ(path_of(submission), "parameters[1].b");
  submission.sweep->points[1]["b"] = 3;
  submission.experiment.parameters = {Parameter{"a", {1}, {}}};
  EXPECT_NE(path_of(submission), "fine");  // a is given twice
}

}  // namespace
}  // namespace troupe
