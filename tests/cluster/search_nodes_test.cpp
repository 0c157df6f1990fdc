// Members of a search that go on from checkpoints: on another node than the one that wrote them,
// and after they gave their place to others.
#include "tests/cluster/many.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Counts epochs up to 8, goes on from its checkpoint, and keeps one an epoch.
std::string set_of(const std::string& parameters, const std::string& sweep, double cpus) {
  constexpr const char* epochs = R"(
at=0; [ -z "$TROUPE_RESUME" ] || at=$(cat "$TROUPE_RESUME"); echo "from $at"
while [ $at -lt 8 ]; do
  at=$((at+1)); echo $at > "$TROUPE_CHECKPOINTS/.new"; mv "$TROUPE_CHECKPOINTS/.new" "$TROUPE_CHECKPOINTS/epoch-$at"
  printf '{"epoch":%s,"loss":%s}\n' $at "$1" >> "$TROUPE_METRICS"; sleep 0.5
done)";
  return fmt::format(R"({{"project":"p","run":[["sh","-c",{},"train","{{{{x}}}}"]],)"
                     R"("resources":{{"cpus":{}}},"parameters":[{}],"sweep":{{{}}}}})",
                     quoted(epochs), cpus, parameters, sweep);
}

const ValueList& attempts_of(const Value& record) {
  return record.find("attempts")->as_list();
}

std::string node_of(const Value& attempt) {
  return text_of(attempt.find("jobs")->as_list().front(), "node");
}

std::string last_node(UpProcess& up, const std::string& id) {
  auto record = up.show(id);
  return attempts_of(record).empty() ? "" : node_of(attempts_of(record).back());
}

int64_t differences(UpProcess& up, const std::string& set) {
  auto replay = up.get("/api/v1/sets/" + set + "/replay");
  EXPECT_TRUE(replay) << to_string(replay.error());
  return replay ? replay->find("differences")->as_int() : -1;
}

bool has_kept_checkpoint(UpProcess& up, const std::string& id) {
  auto record = up.show(id);
  const auto* checkpoints = record.find("checkpoints");
  if (checkpoints == nullptr || !checkpoints->is_list() || checkpoints->as_list().empty())
    return false;
  const auto* kept = checkpoints->as_list().back().find("kept");
  return kept != nullptr && kept->as_bool();
}

TEST(SearchNodes, APromotedMemberGoesOnWhereItsCheckpointNeverWas) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto set = many.submit(set_of(
      R"({"name":"x","choices":[1,2,3,4]})",
      R"("strategy":"grid","seed":"5","concurrency":1,"metric":"min.loss",)"
      R"("early_stop":{"algorithm":"asha-promote","resource":"epoch","min":2,"max":8,"eta":2})",
      2));
  auto first = set + ".1";
  ASSERT_TRUE(await([&] {
    return !text_of(many.show(first), "paused").empty() && has_kept_checkpoint(many, first);
  })) << many.err();
  // The machine is gone for good, with all that members wrote there.
  many.kill_worker("w1");
  ASSERT_TRUE(await([&] {
    auto left = many.processes_with(many.path("w1") + "/");
    for (auto pid : left) ::kill(pid, SIGKILL);
    return left.empty();
  }));
  std::filesystem::remove_all(many.path("w1") + "/outputs");
  ASSERT_TRUE(many.start_worker("w2"));
  EXPECT_EQ(many.await_end(set, 120s), "FINISHED");
  auto best = many.show(first);
  EXPECT_EQ(text_of(best, "reason"), "exit 0");
  const auto& attempts = attempts_of(best);
  ASSERT_GE(attempts.size(), 2u) << best.to_text();
  EXPECT_EQ(node_of(attempts[0]), "w1");
  for (size_t i = 1; i < attempts.size(); ++i) {
    EXPECT_EQ(node_of(attempts[i]), "w2");
    EXPECT_TRUE(text_of(attempts[i], "resumed").starts_with("epoch-")) << best.to_text();
  }
  EXPECT_EQ(differences(many, set), 0);
}

TEST(SearchNodes, ACopyOfAPopulationGoesOnFromAnotherNodesCheckpoint) {
  ManyMachines many;
  ASSERT_TRUE(many.start_head());
  ASSERT_TRUE(many.start_worker("w1"));
  auto set = many.submit(
      set_of(R"({"name":"x","range":{"min":0.0,"max":1.0}})",
             R"("strategy":"random","trials":7,"seed":"5","concurrency":4,"metric":"min.loss",)"
             R"("early_stop":{"algorithm":"pbt","resource":"epoch","interval":3,"max":8})",
             0.5));
  ASSERT_TRUE(many.await_state(set + ".4", "RUNNING"));
  ASSERT_TRUE(many.start_worker("w2"));
  ASSERT_EQ(many.cli({"node", "drain", "w1"}).code, 0);  // what runs there goes on
  EXPECT_EQ(many.await_end(set, 120s), "FINISHED");
  int far_copies = 0;
  for (int member = 5; member <= 7; ++member) {
    auto id = fmt::format("{}.{}", set, member);
    auto record = many.show(id);
    auto donor = text_of(record, "branched_from");
    if (donor.empty()) continue;  // in the place of one that was done
    EXPECT_EQ(last_node(many, id), "w2");
    EXPECT_THAT(many.log_text(id), Not(HasSubstr("from 0")));
    if (last_node(many, donor) == "w1") ++far_copies;
  }
  EXPECT_GT(far_copies, 0);
  EXPECT_EQ(differences(many, set), 0);
}

TEST(SearchNodes, ASetGrowsIntoIdleRoomAndGivesItBack) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = up.submit(set_of(R"({"name":"x","choices":[1,2,3,4,5]})",
                              R"("strategy":"grid","concurrency":"1..8","metric":"min.loss")", 1));
  ASSERT_TRUE(up.await_state(set + ".4", "RUNNING"));
  EXPECT_THAT(up.cli({"show", set}).out, HasSubstr("1..8: 4 run, 1 wait"));
  ASSERT_TRUE(await([&] {
    auto record = up.show(set + ".4");
    return !record.find("checkpoints")->as_list().empty();
  }));
  auto other = up.submit_shell("sleep 3", R"(,"resources":{"cpus":3})");
  ASSERT_TRUE(await([&] {
    auto why = up.cli({"why", other}).out;
    return why.find("gives its place back at its next checkpoint") != std::string::npos ||
           why.find("stopped to make room for it") != std::string::npos;
  })) << up.cli({"why", other}).out;
  up.kill9();
  ASSERT_TRUE(up.start());
  ASSERT_TRUE(up.await_state(other, "RUNNING")) << up.cli({"why", other}).out;
  EXPECT_EQ(up.state(set + ".1"), "RUNNING") << "it is sure of its place";
  auto why = up.cli({"why", set + ".4"}).out;
  EXPECT_THAT(why, HasSubstr("gives its place to " + other));
  EXPECT_THAT(why, HasSubstr("nobody else waits for the room"));
  EXPECT_EQ(up.await_end(set, 120s), "FINISHED");
  for (int member = 2; member <= 4; ++member) {
    auto id = fmt::format("{}.{}", set, member);
    auto record = up.show(id);
    ASSERT_EQ(attempts_of(record).size(), 2u) << record.to_text();
    EXPECT_TRUE(text_of(attempts_of(record)[1], "resumed").starts_with("epoch-"));
    EXPECT_EQ(text_of(record, "reason"), "exit 0") << "there are no tries to be counted";
  }
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(up.stop(), 0);
}

TEST(SearchNodes, ARangeIsChangedAndBadOnesAreRefused) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = up.submit(set_of(R"({"name":"x","choices":[1,2]})",
                              R"("strategy":"grid","concurrency":2,"metric":"min.loss")", 1));
  EXPECT_EQ(up.cli({"set", set, "concurrency=1..3"}).code, 0);
  EXPECT_EQ(text_of(up.show(set), "concurrency"), "1..3");
  for (const auto* bad : {"8..2", "0..4", "..", "many", "2.."}) {
    auto refused = up.cli({"set", set, fmt::format("concurrency={}", bad)});
    EXPECT_EQ(refused.code, 2) << bad << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(bad));
    auto asked = up.cli({"sweep", "--concurrency", bad, "--param", "x=1,2", "--", "echo", "{{x}}"});
    EXPECT_EQ(asked.code, 2) << bad << asked.err;
  }
  EXPECT_EQ(up.await_end(set), "FINISHED");
  EXPECT_EQ(up.stop(), 0);
}

}  // namespace
}  // namespace troupe::cluster
