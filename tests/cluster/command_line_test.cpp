// What the command line prints and with which code it ends, against a real `troupe up`.
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(up.start()); }
  /// A folder of the test with this troupe.yaml.
  std::string project(const std::string& text) {
    auto folder = up.path("project");
    std::filesystem::create_directories(folder);
    EXPECT_TRUE(replace_file(folder + "/troupe.yaml", text, 0644, false));
    return folder;
  }

  UpProcess up;
};

TEST_F(CommandLine, QuietRunsPrintTheirIdAlone) {
  auto run = up.cli({"run", "-q", "--no-code", "--", "echo", "noise"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "1\n");
  EXPECT_EQ(run.err, "");
  auto sweep = up.cli({"sweep", "-q", "--no-code", "--param", "x=1,2", "--", "echo", "{{x}}"});
  EXPECT_EQ(sweep.out, "2\n");
  EXPECT_EQ(sweep.err, "");
}

TEST_F(CommandLine, ACommandThatCannotBeStartedHasNoCodeOfItsOwn) {
  auto words = up.cli({"run", "--no-code", "--", "no-such-command"});
  EXPECT_EQ(words.code, 1);
  EXPECT_THAT(words.err, HasSubstr("no-such-command"));
  auto line = up.cli({"run", "--no-code", "--", "sh", "-c", "no-such-command"});
  EXPECT_EQ(line.code, 127);
}

TEST_F(CommandLine, LogsOfASetShowEveryWorkerOfItsMembers) {
  auto swept = up.cli({"sweep", "--no-code", "--workers", "2", "--param", "x=1,2", "--", "sh", "-c",
                       "echo value-{{x}}-of-$RANK"});
  EXPECT_EQ(swept.code, 0) << swept.err;
  for (const auto& args : {std::vector<std::string>{"logs", "last"}, {"logs", "-f", "last"}}) {
    auto logs = up.cli(args);
    for (int member = 1; member <= 2; ++member)
      for (int rank = 0; rank < 2; ++rank) {
        auto line = fmt::format("1.{0}.worker.{1} value-{0}-of-{1}\n", member, rank);
        EXPECT_THAT(swept.out, HasSubstr(line));
        EXPECT_THAT(logs.out, HasSubstr(line)) << args.size();
      }
  }
}

TEST_F(CommandLine, LogsOfALargeSetShowEveryMember) {
  constexpr size_t members = 1'200;  // a page of members has 1,000
  auto swept =
      up.cli({"sweep", "-d", "--no-code", "--param", "x=1..1200:step=1", "--", "echo", "v{{x}}"});
  ASSERT_EQ(swept.code, 0) << swept.err;
  auto lines = [](const std::string& text) {
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  };
  EXPECT_EQ(lines(up.cli({"logs", "-f", "last"}).out), members);  // while it runs
  EXPECT_EQ(lines(up.cli({"logs", "-f", "last"}).out), members);
  EXPECT_EQ(lines(up.cli({"logs", "last"}).out), members);
}

TEST_F(CommandLine, ShowsTheBestOfAMetricBesideItsLast) {
  auto swept =
      up.cli({"sweep", "--no-code", "--metric", "max.v", "--param", "x=1,2", "--", "sh", "-c",
              "for i in 3 7 5; do echo {\\\"v\\\": ${i}{{x}}} >> $TROUPE_METRICS; done"});
  EXPECT_EQ(swept.code, 0) << swept.err;
  auto set = up.show("1");
  const auto& members = set.find("members")->as_list();
  ASSERT_EQ(members.size(), 2u);
  for (int64_t x = 1; x <= 2; ++x) {
    const auto& member = members[static_cast<size_t>(x) - 1];
    EXPECT_EQ(member.find("value")->as_number(), static_cast<double>(70 + x));
    EXPECT_EQ(member.find("last")->as_number(), static_cast<double>(50 + x));
  }
  EXPECT_EQ(set.find("best")->find("value")->as_number(), 72);
  auto member = up.show("1.2");
  EXPECT_EQ(member.find("metrics")->find("last")->find("v")->as_number(), 52);
  EXPECT_EQ(member.find("best")->find("v")->find("min")->as_number(), 32);
  EXPECT_EQ(member.find("best")->find("v")->find("max")->as_number(), 72);
  EXPECT_THAT(up.cli({"show", "1.2"}).out, HasSubstr("v=32..72"));
}

TEST_F(CommandLine, ASweepSaysHowManyMembersItWillHaveBeforeItIsMade) {
  auto swept = up.cli({"sweep", "-d", "--no-code", "--param", "a=1,2", "--param", "b=1,2,3", "--",
                       "echo", "{{a}}{{b}}"});
  EXPECT_THAT(swept.err, HasSubstr("6 members, grid"));
  EXPECT_EQ(swept.out, "1\n");
  auto steps =
      up.cli({"sweep", "-d", "--no-code", "--param", "a=0..10:step=4", "--", "echo", "{{a}}"});
  EXPECT_THAT(steps.err, HasSubstr("a ends at 8, its last step below 10"));
  // What cannot be submitted was announced all the same: it comes first.
  auto refused = up.cli(
      {"sweep", "-d", "--no-code", "--cpus", "1000", "--param", "a=1,2", "--", "echo", "{{a}}"});
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("2 members, grid"));
}

TEST_F(CommandLine, ASweepWithoutParametersIsRefused) {
  auto swept = up.cli({"sweep", "--no-code", "--", "echo", "hi"});
  EXPECT_EQ(swept.code, 2);
  EXPECT_THAT(swept.err, HasSubstr("no parameter"));
  EXPECT_THAT(swept.err, HasSubstr("hint: "));
  EXPECT_THAT(swept.err, HasSubstr("--param"));
  EXPECT_EQ(swept.out, "");
}

TEST_F(CommandLine, AnotherStrategyLeavesTheTrialsOfTheFileOut) {
  auto folder = project(R"(run: echo {{x}} {{y}}
parameters: {x: 1.0, y: 0.5}
sweep: {strategy: random, trials: 12, metric: max.height}
)");
  auto swept = up.cli(
      {"sweep", "-d", "--strategy", "grid", "--param", "x=1,2", "--param", "y=1,2,3"}, 60s, folder);
  EXPECT_EQ(swept.code, 0);
  EXPECT_THAT(swept.err, Not(HasSubstr("warning")));
  auto set = up.show("1");
  EXPECT_EQ(number_of(set, "size"), 6);
  EXPECT_EQ(text_of(set, "metric"), "max.height");
  EXPECT_EQ(number_of(set, "trials"), -1);
}

TEST_F(CommandLine, OfSeveralMetricsAllAreShown) {
  constexpr const char* report = R"(printf '{"loss":%s,"gain":%s0}\n' $1 $1 >> $TROUPE_METRICS)";
  auto swept = up.cli({"sweep", "--no-code", "--strategy", "tpe", "--trials", "3", "--metric",
                       "min.loss,max.gain", "--param", "x=1,2,3", "--", "sh", "-c", report, "train",
                       "{{x}}"});
  ASSERT_EQ(swept.code, 0) << swept.err;
  EXPECT_THAT(swept.err, HasSubstr("with min.loss = 1"));
  auto shown = up.cli({"show", "1"}).out;
  for (const auto* values : {"\t1.0\t10.0\tfront", "\t2.0\t20.0\tfront", "\t3.0\t30.0\tfront"})
    EXPECT_THAT(shown, HasSubstr(values));
  auto best = up.cli({"best", "1"}).out;
  EXPECT_THAT(best, HasSubstr("min.loss\t1.0\nmax.gain\t10.0\nx\t1\nfront\t"));
}

TEST_F(CommandLine, TakesTheSearchSpaceOfAnotherProgram) {
  auto folder = project("run: echo\n");
  EXPECT_TRUE(replace_file(folder + "/katib.yaml", R"(kind: Experiment
spec:
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.05"}}
    - {name: opt, parameterType: categorical, feasibleSpace: {list: [sgd, adam]}}
)",
                           0644, false));
  std::vector<std::string> words{"sweep", "-d",      "--strategy",   "random",  "--trials",
                                 "3",     "--param", "lr=0.02",      "--space", "katib.yaml",
                                 "--",    "echo",    "{{lr}}{{opt}}"};
  auto swept = up.cli(words, 60s, folder);
  ASSERT_EQ(swept.code, 0) << swept.err;
  EXPECT_THAT(swept.err, HasSubstr("2 members, random"));
  words.back() = "{{lr}}";
  auto unused = up.cli(words, 60s, folder);
  EXPECT_EQ(unused.code, 2);
  EXPECT_THAT(unused.err, HasSubstr("--space: the parameter opt is used nowhere"));
  words[9] = "none.yaml";
  EXPECT_THAT(up.cli(words, 60s, folder).err, HasSubstr("--space none.yaml"));
  auto twice = up.cli({"sweep", "--param", "a=1", "--param", "a=2", "--", "echo", "{{a}}"});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("--param a is given twice"));
}

TEST_F(CommandLine, AConditionThatHoldsNowhereIsNoticed) {
  auto folder = project(R"(run: echo {{a}} {{b}} {{c}}
parameters:
  a: [1, 2]
  b: {choices: [1, 2], when: {a: 7}}
  c: {choices: [1, 2], when: {a: 2}}
)");
  auto swept = up.cli({"sweep", "-d", "--strategy", "grid"}, 60s, folder);
  EXPECT_EQ(swept.code, 0);
  EXPECT_THAT(swept.err, HasSubstr("b has a value in none of 1000 random points"));
  EXPECT_THAT(swept.err, Not(HasSubstr("c has a value in none")));
}

TEST_F(CommandLine, ShowsACommandOfSeveralLinesLineByLine) {
  auto folder = project("run: |\n  echo {{x}}\n  true\nparameters: {x: 1}\n");
  auto swept = up.cli({"sweep", "-d", "--strategy", "grid"}, 60s, folder);
  EXPECT_THAT(swept.err, HasSubstr("1 member, grid"));
  EXPECT_THAT(swept.err, HasSubstr("--param x=1,2,3"));
  EXPECT_THAT(up.cli({"show", "1"}).out, HasSubstr("\ncommand\techo {{x}}\ncommand\ttrue\n"));
}

TEST_F(CommandLine, ARangeOfWorkersKeepsWhatTheFileSaysOfIt) {
  auto folder = project(
      "run: 'true'\nworkers: {count: 1..3, processes: 2, resize_after: 5s}\nreceipt: false\n");
  ASSERT_EQ(up.cli({"run"}, 60s, folder).code, 0);
  EXPECT_THAT(up.cli({"show", "1"}).out, HasSubstr("for each of 1..3 workers\n"));
  ASSERT_EQ(up.cli({"rerun", "1", "--processes", "1"}).code, 0);
  ASSERT_EQ(up.cli({"rerun", "1", "--workers", "1..2"}).code, 0);
  for (const auto& [id, range] : {std::pair{"1", "1..3"}, {"2", "1..3"}, {"3", "1..2"}}) {
    auto shown = up.show(id);
    const auto* workers = shown.find("workers");
    ASSERT_TRUE(workers != nullptr && workers->is_map()) << id;
    EXPECT_EQ(text_of(*workers, "count"), range) << id;
    EXPECT_EQ(number_of(*workers, "resize_after"), 5000) << id;
  }
  EXPECT_EQ(number_of(up.show("2"), "processes"), 1);
  EXPECT_EQ(number_of(up.show("3"), "processes"), 2);
}

TEST_F(CommandLine, AWrongConditionNamesItsLine) {
  auto folder = project(R"(run: echo {{x}}
parameters: {x: [1, 2]}
sweep:
  metric: max.height
  stop_when: "height >== 1"
)");
  auto swept = up.cli({"sweep", "-d"}, 60s, folder);
  EXPECT_EQ(swept.code, 2);
  EXPECT_THAT(swept.err, HasSubstr("troupe.yaml:5:"));
  EXPECT_THAT(swept.err, HasSubstr("column 10"));
  auto option = up.cli({"sweep", "-d", "--stop-when", "height >="}, 60s, folder);
  EXPECT_THAT(option.err, HasSubstr("--stop-when"));
}

TEST_F(CommandLine, ACommandTooLongForTheKernelIsRefused) {
  std::string longest(131'071, 'x');
  auto folder = project(fmt::format("run: [[\"true\", \"{}x\"]]\n", longest));
  auto refused = up.cli({"run", "-d"}, 60s, folder);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("128 KiB"));
  project(fmt::format("run: [[\"true\", \"{}\"]]\n", longest));
  EXPECT_EQ(up.cli({"run"}, 60s, folder).code, 0);
}

}  // namespace
}  // namespace troupe::cluster
