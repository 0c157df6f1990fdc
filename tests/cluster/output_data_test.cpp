// Outputs of one experiment as what another one reads, and as a dataset.
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/cluster/many.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string writes =
    "mkdir -p $TROUPE_OUTPUT/step-2 && printf 'day,price\\nmonday,3\\n' > $TROUPE_OUTPUT/rows.csv "
    "&& "
    "seq 300000 > $TROUPE_OUTPUT/step-2/model && ln -s step-2 $TROUPE_OUTPUT/latest";

class OutputData : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(up.start()); }
  Output run(const std::vector<std::string>& options, const std::string& shell) {
    return up.run_shell(options, shell);
  }
  UpProcess up;
};

TEST_F(OutputData, IsMountedUnderItsNameOrAnother) {
  ASSERT_EQ(run({}, writes).code, 0);
  auto ran =
      run({"--data", "1/out", "--data", "1/out:before"},
          "cd $TROUPE_DATA/out-1 && cat rows.csv && wc -l < step-2/model && ! test -e latest "
          "&& ! touch new && cmp rows.csv $TROUPE_DATA_BEFORE/rows.csv");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("monday,3\n300000\n"));
  auto shown = up.show("2");
  EXPECT_EQ(shown.find("datasets")->as_list().front().find("source")->as_string(), "1/out");
  // What is kept for it is no dataset that people see.
  EXPECT_EQ(up.cli({"data", "ls", "-q"}).out, "");
}

TEST_F(OutputData, BecomesADatasetWithItsRecords) {
  ASSERT_EQ(run({}, writes).code, 0);
  auto pushed = up.cli({"data", "push", "features", "--from", "1/out", "--tag", "first"});
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_THAT(pushed.out, HasSubstr("features:1\t2 files"));
  EXPECT_THAT(up.cli({"data", "head", "features"}).out, HasSubstr("monday,3"));
  auto shown = up.cli({"data", "show", "features:first"});
  EXPECT_THAT(shown.out, HasSubstr("from      1"));
  EXPECT_THAT(shown.out, HasSubstr("source    1/out"));
  // The same again makes no version; a folder with the same files has the same digest.
  EXPECT_THAT(up.cli({"data", "push", "features", "--from", "1"}).out, HasSubstr("features:1\t"));
  ASSERT_EQ(up.cli({"out", "get", "1", "rows.csv", "-o", up.path("got")}).code, 0);
  EXPECT_EQ(run({"--data", "features"}, "test -s $TROUPE_DATA_FEATURES/step-2/model").code, 0);
}

TEST_F(OutputData, StartsBehindWhatItReads) {
  auto first = up.submit_shell(
      "until test -e $TROUPE_OUTPUT/go; do sleep 0.02; done; echo late > $TROUPE_OUTPUT/result",
      "");
  ASSERT_TRUE(up.await_state(first, "RUNNING"));
  auto early = run({"--data", "1/out"}, "true");
  EXPECT_EQ(early.code, 5) << early.err;
  EXPECT_THAT(early.err, HasSubstr("--after 1"));
  auto second = up.submit_shell("cat $TROUPE_DATA/out-1/result",
                                fmt::format(R"(,"data":["1/out"],"after":["{}"])", first));
  ASSERT_TRUE(up.await_state(second, "QUEUED"));
  std::ofstream{up.dir() + "/outputs/" + first + "/go"};
  EXPECT_EQ(up.await_end(second), "FINISHED");
  EXPECT_THAT(up.cli({"logs", second}).out, HasSubstr("late"));
}

TEST_F(OutputData, MistakesAreNamed) {
  EXPECT_THAT(run({"--data", "7/out"}, "true").err, HasSubstr("experiment 7 not found"));
  EXPECT_EQ(up.cli({"sweep", "-q", "--no-code", "--param", "x=1,2", "--", "echo", "{{x}}"}).code,
            0);
  auto set = run({"--data", "1/out"}, "true");
  EXPECT_NE(set.code, 0);
  EXPECT_THAT(set.err, HasSubstr("1.1/out"));
  EXPECT_EQ(run({"--data", "1.2/out"}, "ls $TROUPE_DATA/out-1.2").code, 0);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"data", "push", "x"},
                                                {"data", "push", "x", up.dir(), "--from", "1.1"},
                                                {"data", "push", "x", "--from", "nonsense"},
                                                {"data", "push", "x", "--from", "1.1", "--unpack"}})
    EXPECT_EQ(up.cli(words).code, 2) << words.back();
  EXPECT_EQ(up.cli({"data", "push", "x", "--from", "9"}).code, 3);
  // What was killed before it ran has written nothing.
  auto never =
      up.submit_shell("true", fmt::format(R"(,"after":["{}"])", up.submit_shell("sleep 60", "")));
  ASSERT_EQ(up.cli({"kill", never}).code, 0);
  auto nothing = up.cli({"data", "push", "x", "--from", never});
  EXPECT_EQ(nothing.code, 3) << nothing.err;
  EXPECT_THAT(nothing.err, HasSubstr("it never ran"));
}

TEST(OutputDataOnManyMachines, ComesFromWhereItWasWrittenAndWaitsForThatNode) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  for (const auto* name : {"w1", "w2"}) ASSERT_TRUE(many.start_worker(name));
  for (const auto* name : {"w1", "w2"})
    ASSERT_EQ(many.cli({"node", "label", name, std::string{"is="} + name}).code, 0);
  auto on = [&](const std::string& node, std::vector<std::string> options,
                const std::string& shell) {
    options.insert(options.begin(), {"--node-label", "is=" + node});
    return many.run_shell(options, shell);
  };
  ASSERT_EQ(on("w1", {}, writes).code, 0);
  auto ran = on("w2", {"--data", "1/out"}, "cksum < $TROUPE_DATA/out-1/step-2/model");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(on("w1", {}, "cksum < $TROUPE_OUTPUT/../1/step-2/model").out.substr(2),
            ran.out.substr(2));
  // Other outputs, and their node is away.
  ASSERT_EQ(on("w1", {}, "echo other > $TROUPE_OUTPUT/result").code, 0);
  many.kill_worker("w1");
  auto waits = on("w2", {"-d", "--data", "4/out"}, "cat $TROUPE_DATA/out-4/result");
  ASSERT_EQ(waits.code, 0) << waits.err;
  std::string why;
  EXPECT_TRUE(await([&] {
    why = many.cli({"why", "5"}).out;
    return why.find("w1") != std::string::npos;
  })) << why;
  ASSERT_TRUE(many.start_worker("w1"));
  EXPECT_EQ(many.await_end("5"), "FINISHED");
  EXPECT_THAT(many.cli({"logs", "5"}).out, HasSubstr("other"));
}

}  // namespace
}  // namespace troupe::cluster
