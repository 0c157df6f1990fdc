// Jobs that count steps and go on from their newest checkpoint, wherever they are started again.
#include "tests/cluster/many.hpp"
#include "tests/temp_dir.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace troupe::cluster {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Counts to `steps`, a checkpoint after each, and goes on where the one it is given ended. Writes
/// "attempt from step" to `trace`; a checkpoint that lacks a file would fail it. With a third of a
/// second each there is time to die between two of them.
std::string training(const ManyMachines& many, int steps) {
  return fmt::format(
      "at=0; if [ -n \"$TROUPE_RESUME\" ]; then at=$(cat $TROUPE_RESUME/step) && "
      "cmp $TROUPE_RESUME/weights $TROUPE_RESUME/copy || exit 9; fi; "
      "echo $TROUPE_ATTEMPT $at >> {}/trace; "
      "while [ $at -lt {} ]; do at=$((at+1)); new=$TROUPE_CHECKPOINTS/step-$at.tmp; mkdir -p $new; "
      "seq $at 100000 > $new/weights; cp $new/weights $new/copy; echo $at > $new/step; "
      "rm -rf $TROUPE_CHECKPOINTS/step-$at; mv $new $TROUPE_CHECKPOINTS/step-$at; "
      "echo \"{{\\\"step\\\": $at, \\\"at\\\": 0.$at}}\" >> $TROUPE_METRICS; sleep 0.3; done",
      many.root(), steps);
}

/// Names of those that the head keeps, oldest first.
std::vector<std::string> kept(ManyMachines& many, const std::string& id) {
  std::vector<std::string> names;
  auto record = many.show(id);
  const auto* checkpoints = record.find("checkpoints");
  if (checkpoints == nullptr) return names;
  for (const auto& one : checkpoints->as_list())
    if (const auto* is_kept = one.find("kept"); is_kept->as_bool())
      names.push_back(text_of(one, "name"));
  return names;
}

std::string causes(ManyMachines& many) {
  std::string all;
  for (const auto& event : many.events()) all += text_of(event, "cause") + "\n";
  return all;
}

int step_of(const std::string& name) {
  return std::stoi(name.substr(name.find('-') + 1));
}

class Checkpoints : public ::testing::Test {
 protected:
  void start(const std::vector<std::string>& workers) {
    ASSERT_TRUE(many.start_head());
    for (const auto& name : workers) ASSERT_TRUE(many.start_worker(name));
  }
  /// As a machine that is gone for good, with what jobs left there.
  void destroy(const std::string& name) {
    many.kill_worker(name);
    ASSERT_TRUE(await([&] {
      auto left = many.processes_with(many.path(name) + "/");
      for (auto pid : left) ::kill(pid, SIGKILL);
      return left.empty();
    }));
    fs::remove_all(many.path(name) + "/outputs");
  }
  std::string node_of(const std::string& id) {
    return text_of(many.show(id).find("jobs")->as_list().front(), "node");
  }

  ManyMachines many;
};

TEST_F(Checkpoints, OfANodeThatIsLostForGoodServeElsewhere) {
  start({"w1"});
  auto id = many.submit_shell(training(many, 40), R"(,"resources":{"cpus":2})");
  ASSERT_TRUE(await([&] { return kept(many, id).size() == 2; })) << many.err();
  ASSERT_TRUE(many.start_worker("w2"));
  auto before = kept(many, id);
  destroy("w1");
  ASSERT_TRUE(await([&] { return many.lines("trace").size() == 2; })) << causes(many);
  auto second = many.lines("trace").back();
  EXPECT_EQ(second.substr(0, 2), "2 ");
  EXPECT_GE(std::stoi(second.substr(2)), step_of(before.back())) << "not from zero";
  EXPECT_EQ(node_of(id), "w2");
  auto said = "attempt 2 goes on from step-" + second.substr(2);  // a little behind its begin
  EXPECT_TRUE(await([&] { return causes(many).find(said) != std::string::npos; })) << causes(many);
  EXPECT_THAT(many.cli({"show", id}).out, HasSubstr("resumed"));
  EXPECT_TRUE(await([&] { return causes(many).find("first report after") != std::string::npos; }))
      << causes(many);
  EXPECT_THAT(many.cli({"show", id}).out,
              ::testing::ContainsRegex("recovery[ \t]+attempt 2: [0-9]+ steps? lost; noticed in "));
  EXPECT_EQ(many.await_end(id), "FINISHED");
  ASSERT_TRUE(await([&] { return kept(many, id).back() == "step-40"; }));

  // Nobody who ran it is here: what the head has can be listed and fetched, with a word on that.
  destroy("w2");
  ASSERT_TRUE(await([&] { return many.node_state("w2") != "up"; }));
  auto listed = many.cli({"out", "ls", id, "-q"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("checkpoints/step-40/weights"));
  EXPECT_THAT(listed.err, HasSubstr("checkpoints alone"));
  auto fetched = many.cli({"out", "get", id, "checkpoints/step-40", "-o", many.path("got")});
  EXPECT_EQ(fetched.code, 0) << fetched.err;
  EXPECT_EQ(many.read("got/checkpoints/step-40/step"), "40\n");
  EXPECT_EQ(many.read("got/checkpoints/step-40/weights"),
            many.read("got/checkpoints/step-40/copy"));
  EXPECT_NE(many.cli({"out", "get", id, "rows.csv", "-o", many.path("got")}).code, 0);
}

TEST_F(Checkpoints, TheNextAttemptElsewhereHasTheVeryNewest) {
  start({"w1"});
  auto id = many.submit_shell(
      fmt::format(
          "echo $TROUPE_ATTEMPT ${{TROUPE_RESUME##*/}} $(cat $TROUPE_RESUME) >> {0}/trace; "
          "[ -n \"$TROUPE_RESUME\" ] && exit 0; while [ ! -e {0}/go ]; do sleep 0.02; done; "
          "head -c 20000000 /dev/urandom > $TROUPE_CHECKPOINTS/.big; "
          "mv $TROUPE_CHECKPOINTS/.big $TROUPE_CHECKPOINTS/step-1; "
          "echo half > $TROUPE_CHECKPOINTS/step-3.tmp; "
          "echo two > $TROUPE_CHECKPOINTS/.two; "
          "mv $TROUPE_CHECKPOINTS/.two $TROUPE_CHECKPOINTS/step-2; exit 3",
          many.root()),
      R"(,"retry":{"count":1},"resources":{"cpus":2})");
  ASSERT_TRUE(await([&] { return many.lines("trace").size() == 1; }));
  ASSERT_TRUE(many.start_worker("w2"));
  ASSERT_EQ(many.cli({"node", "drain", "w1"}).code, 0);
  std::ofstream{many.path("go")};
  EXPECT_EQ(many.await_end(id), "FINISHED");
  EXPECT_THAT(many.lines("trace"), ElementsAre("1", "2 step-2 two"));
  EXPECT_EQ(node_of(id), "w2");
}

TEST_F(Checkpoints, EveryNodeOfAGangHasTheSame) {
  start({"w1", "w2", "w3"});
  auto id = many.submit_shell(
      fmt::format(
          "[ -n \"$TROUPE_RESUME\" ] && echo $RANK $(cat $TROUPE_RESUME) >> {}/trace && "
          "exit 0; [ $RANK = 0 ] || exec sleep 100; echo mine > $TROUPE_CHECKPOINTS/.new && "
          "mv $TROUPE_CHECKPOINTS/.new $TROUPE_CHECKPOINTS/step-1; exit 3",
          many.root()),
      R"(,"retry":{"count":1},"workers":{"count":3},"resources":{"cpus":2})");
  EXPECT_EQ(many.await_end(id), "FINISHED") << causes(many);
  auto trace = many.lines("trace");
  std::sort(trace.begin(), trace.end());
  EXPECT_THAT(trace, ElementsAre("0 mine", "1 mine", "2 mine"));
}

TEST_F(Checkpoints, ShardsOfAllNodesComeTogether) {
  start({"w1", "w2"});
  auto id = many.submit_shell(
      fmt::format("[ -n \"$TROUPE_RESUME\" ] && echo $RANK $(cat $TROUPE_RESUME/*) >> {}/trace && "
                  "exit 0; new=$TROUPE_CHECKPOINTS/.new; mkdir $new; echo of-$RANK > $new/$RANK && "
                  "mv $new $TROUPE_CHECKPOINTS/step-1; [ $RANK = 0 ] || exec sleep 100; "
                  "until [ -e {}/go ]; do sleep 0.1; done; exit 3",
                  many.root(), many.root()),
      R"(,"retry":{"count":1},"workers":{"count":2},"resources":{"cpus":2},)"
      R"("checkpoints":{"shards":true})");
  EXPECT_TRUE(await([&] { return kept(many, id).size() == 1; })) << causes(many);
  ASSERT_TRUE(replace_file(many.path("go"), ""));
  EXPECT_EQ(many.await_end(id), "FINISHED") << causes(many);
  auto trace = many.lines("trace");
  std::sort(trace.begin(), trace.end());
  EXPECT_THAT(trace, ElementsAre("0 of-0 of-1", "1 of-0 of-1"));
  EXPECT_THAT(many.cli({"show", id}).out, HasSubstr("made on w"));
}

/// Who dies while checkpoints are being made, packed and taken.
class CheckpointDeaths : public Checkpoints, public ::testing::WithParamInterface<const char*> {};

TEST_P(CheckpointDeaths, LeaveNoHalfOneAndLoseNone) {
  std::string who = GetParam();
  start({"w1"});
  auto id = many.submit_shell(training(many, 16), R"(,"retry":{"count":9},"resources":{"cpus":2})");
  for (int round = 0; round < 3; ++round) {
    auto steps = kept(many, id).size();
    ASSERT_TRUE(await([&] { return kept(many, id).size() > 0 || steps > 0; }));
    if (who == "head") {
      many.kill9();
      ASSERT_TRUE(many.start_head());
    } else if (who == "worker") {
      many.kill_worker("w1");
      ASSERT_TRUE(many.start_worker("w1"));
    } else {
      auto attempt = many.lines("trace").size();
      for (auto pid : many.processes_with(fmt::format("TROUPE_ATTEMPT={}", attempt)))
        ::kill(pid, SIGKILL);
      ASSERT_TRUE(await([&] { return many.lines("trace").size() > attempt; }));
    }
  }
  EXPECT_EQ(many.await_end(id), "FINISHED") << causes(many);
  auto trace = many.lines("trace");
  int before = -1;
  for (const auto& line : trace) {
    auto from = std::stoi(line.substr(line.find(' ') + 1));
    EXPECT_GE(from, before) << "it went back";
    before = from;
  }
  if (who == "job") {
    EXPECT_GT(before, 0);
    EXPECT_EQ(trace.size(), 4u);
  } else {
    EXPECT_THAT(trace, ElementsAre("1 0")) << "nothing disturbed it";
  }
  ASSERT_TRUE(await([&] { return kept(many, id).back() == "step-16"; })) << causes(many);
  // Fetched from the head they are whole.
  destroy("w1");
  ASSERT_TRUE(await([&] { return many.node_state("w1") != "up"; }));
  auto fetched = many.cli({"out", "get", id, "checkpoints", "-o", many.path("got")});
  EXPECT_EQ(fetched.code, 0) << fetched.err;
  for (const auto& name : kept(many, id)) {
    auto at = "got/checkpoints/" + name;
    EXPECT_EQ(many.read(at + "/weights"), many.read(at + "/copy")) << name;
    EXPECT_EQ(many.read(at + "/step"), fmt::format("{}\n", step_of(name)));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, CheckpointDeaths, ::testing::Values("head", "worker", "job"),
                         [](const auto& each) { return std::string{each.param}; });

TEST_F(Checkpoints, WhatTheHeadCannotGiveAnyMoreIsReplacedByAnOlderOne) {
  start({"w1"});
  auto id = many.submit_shell(
      fmt::format("echo $TROUPE_ATTEMPT $(cat $TROUPE_RESUME) >> {0}/trace; "
                  "[ -n \"$TROUPE_RESUME\" ] && exit 0; cd $TROUPE_CHECKPOINTS; "
                  "echo one > .n; mv .n step-1; until [ -e {0}/two ]; do sleep 0.02; done; "
                  "echo two > .n; mv .n step-2; sleep 1000",
                  many.root()),
      R"(,"resources":{"cpus":2})");
  ASSERT_TRUE(await([&] { return kept(many, id).size() == 1; }));
  auto blocks = many.dir() + "/data/blocks";
  auto files = [&] {
    std::vector<std::string> list;
    for (const auto& entry : fs::recursive_directory_iterator{blocks})
      if (entry.is_regular_file()) list.push_back(entry.path());
    return list;
  };
  auto first = files();
  std::ofstream{many.path("two")};
  ASSERT_TRUE(await([&] { return kept(many, id).size() == 2; }));
  for (const auto& file : files())
    if (std::find(first.begin(), first.end(), file) == first.end()) fs::remove(file);
  ASSERT_TRUE(many.start_worker("w2"));
  destroy("w1");
  EXPECT_EQ(many.await_end(id), "FINISHED") << causes(many);
  EXPECT_THAT(many.lines("trace"), ElementsAre("1", "2 one"));
  EXPECT_THAT(causes(many), HasSubstr("attempt 2 goes on from step-1: step-2 cannot be had"));
}

TEST(CheckpointRetention, WhatTheHeadKeepsGoesWithTheOutputsItIsOf) {
  TempDir config;
  std::ofstream{config.path() + "/head.yaml"}
      << "retention: {every: 0s, outputs: {keep_last: 1}}\n";
  ManyMachines many{{"--config", config.path() + "/head.yaml"}};
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  for (const std::string id : {"1", "2"}) {
    many.submit_shell("cd $TROUPE_CHECKPOINTS && echo of $TROUPE_JOB > .n && mv .n step-1", "");
    ASSERT_EQ(many.await_end(id), "FINISHED");
    ASSERT_TRUE(await([&] { return kept(many, id).size() == 1; })) << id;
  }
  auto dry = many.cli({"gc", "--dry-run"});
  EXPECT_THAT(dry.out, HasSubstr("outputs\t1\t")) << "that the head has a checkpoint holds nothing";
  EXPECT_THAT(dry.out, HasSubstr("checkpoint\tstep-1 of 1\t"));
  EXPECT_EQ(kept(many, "1").size(), 1u) << "a dry run removes nothing";
  auto done = many.cli({"gc", "--older-than", "0s"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(kept(many, "1").empty());
  // What was stored in the same instant may be somebody's who has not named it yet.
  EXPECT_TRUE(await([&] {
    done.out += many.cli({"gc", "--older-than", "0s"}).out;
    return done.out.find("blocks\t1 block\t") != std::string::npos;
  })) << done.out;
  EXPECT_EQ(kept(many, "2").size(), 1u);
  EXPECT_EQ(many.cli({"data", "fsck"}).code, 0);
}

TEST_F(Checkpoints, ARuleInTheFileHoldsOnTheNodeToo) {
  start({"w1"});
  auto id = many.submit_shell(
      "cd $TROUPE_CHECKPOINTS; for i in 1 2 3 4 5; do "
      "echo \"{\\\"step\\\": $i, \\\"acc\\\": 0.$(((i * 3) % 7))}\" >> $TROUPE_METRICS; sleep 1.5; "
      "echo $i > .n; mv .n step-$i; sleep 1.5; done",
      R"(,"checkpoints":{"keep_last":1,"keep_best":1,"metric":"max.acc"})");
  EXPECT_EQ(many.await_end(id), "FINISHED");
  auto folder = many.path("w1") + "/outputs/" + id + "/checkpoints";
  // 0.3 0.6 0.2 0.5 0.1
  EXPECT_TRUE(await([&] {
    return kept(many, id) == std::vector<std::string>{"step-2", "step-5"};
  })) << causes(many);
  EXPECT_TRUE(await([&] { return std::distance(fs::directory_iterator{folder}, {}) == 2; }));
  EXPECT_TRUE(fs::exists(folder + "/step-2"));
  EXPECT_EQ(many.cli({"run", "--no-code", "--", "true"}).code, 0);
}

}  // namespace
}  // namespace troupe::cluster
