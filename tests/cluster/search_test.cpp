// Searches in a real head: one that is killed in the middle goes on as if nothing had been, and a
// member that its rule stops ends well.
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

constexpr const char* space =
    R"("parameters":[{"name":"x","range":{"min":0.0,"max":1.0}},{"name":"y","choices":["a","b","c"]}])";

std::string set_of(const std::string& script, const std::string& parameters,
                   const std::string& sweep) {
  return fmt::format(R"({{"project":"p","run":[["sh","-c",{},"train","{{{{x}}}}","{{{{y}}}}"]],)"
                     R"("resources":{{"cpus":0.1}},{},"sweep":{{{}}}}})",
                     quoted(script), parameters, sweep);
}

int64_t differences(UpProcess& up, const std::string& set) {
  auto replay = up.get("/api/v1/sets/" + set + "/replay");
  EXPECT_TRUE(replay) << to_string(replay.error());
  return replay ? replay->find("differences")->as_int() : -1;
}

constexpr const char* report_x = R"(printf '{"metric":"loss","value":%s,"step":1}\n' "$1")";

TEST(Search, AHeadThatIsKilledChangesNoPoint) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  for (const auto* strategy : {"tpe", "gp"}) {
    auto sweep = fmt::format(
        R"("strategy":"{}","trials":24,"seed":"11","concurrency":1,"metric":"min.loss")", strategy);
    auto undisturbed = up.submit(set_of(report_x, space, sweep));
    EXPECT_EQ(up.await_end(undisturbed), "FINISHED");
    auto disturbed = up.submit(set_of(report_x, space, sweep));
    for (int64_t members : {4, 13, 19}) {
      ASSERT_TRUE(await([&] { return number_of(up.show(disturbed), "next") > members; }));
      up.kill9();
      ASSERT_TRUE(up.start());
    }
    EXPECT_EQ(up.await_end(disturbed), "FINISHED");
    EXPECT_EQ(up.points(disturbed), up.points(undisturbed)) << strategy;
    EXPECT_EQ(differences(up, disturbed), 0);
  }
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, AParallelSearchCanBeDerivedAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = up.submit(
      set_of(report_x, space,
             R"("strategy":"auto","trials":40,"seed":"3","concurrency":6,"metric":"min.loss")"));
  for (int64_t members : {9, 25}) {
    ASSERT_TRUE(await([&] { return number_of(up.show(set), "next") > members; }));
    up.kill9();
    ASSERT_TRUE(up.start());
  }
  EXPECT_EQ(up.await_end(set), "FINISHED");
  EXPECT_EQ(up.points(set).size(), 40u);
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(text_of(up.show(set), "picked"), "gp");
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, AMemberThatIsStoppedEarlyEndsWell) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  // Members that are worse than the first would go on for ever, and note that they were asked.
  auto script =
      fmt::format(R"(trap 'echo saved >> {}/saved; exit 3' TERM; for s in 1 2 3; do )"
                  R"(printf '{{"epoch":%s,"loss":%s}}\n' $s "$1" >> "$TROUPE_METRICS"; done; )"
                  R"([ "$1" = 1 ] && exit 0; while :; do sleep 0.05; done)",
                  up.root());
  auto set = up.submit(set_of(
      script, R"("parameters":[{"name":"x","choices":[1,2,3]},{"name":"y","choices":["a"]}])",
      R"("strategy":"grid","concurrency":1,"metric":"min.loss",)"
      R"("early_stop":{"algorithm":"asha","resource":"epoch","max":9})"));
  EXPECT_EQ(up.await_end(set), "FINISHED");
  EXPECT_EQ(number_of(up.show(set), "stopped"), 2);
  EXPECT_EQ(up.lines("saved").size(), 2u);
  auto member = up.show(set + ".2");
  EXPECT_EQ(text_of(member, "state"), "FINISHED");
  EXPECT_NE(text_of(member, "reason").find("asha: 2 at epoch 1 is number 2 of 2"),
            std::string::npos)
      << text_of(member, "reason");
  auto why = up.get("/api/v1/experiments/" + set + ".2/why");
  ASSERT_TRUE(why);
  EXPECT_NE(why->to_text().find("stopped early: asha"), std::string::npos);
  EXPECT_NE(why->to_text().find("its point: the next of the grid"), std::string::npos);
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, ASetIsChangedWhileItRuns) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto script = fmt::format("{}; while [ ! -e {}/go ]; do sleep 0.05; done", report_x, up.root());
  auto set = up.submit(
      set_of(script, space,
             R"("strategy":"tpe","trials":40,"seed":"5","concurrency":2,"metric":"min.loss")"));
  ASSERT_TRUE(up.await_state(set + ".2", "RUNNING"));
  EXPECT_EQ(up.cli({"add", set, "x=0.125"}).code, 0);
  EXPECT_EQ(up.cli({"set", set, "concurrency=4", "trials=6", "stop_when=loss < -1"}).code, 0);
  ASSERT_TRUE(up.await_state(set + ".4", "RUNNING"));
  up.kill9();
  ASSERT_TRUE(up.start());
  auto again =
      up.cli({"add", set, "x=0.125", "y=" + text_of(*up.show(set + ".3").find("params"), "y")});
  EXPECT_EQ(again.code, 5) << again.err;
  EXPECT_NE(again.err.find(set + ".3 has tried"), std::string::npos) << again.err;
  EXPECT_EQ(up.cli({"skip", set + ".1"}).code, 0);
  EXPECT_EQ(up.await_end(set + ".1"), "FINISHED");
  EXPECT_EQ(text_of(up.show(set + ".1"), "reason"), "skipped by root");
  up.submit_shell("touch " + up.root() + "/go");
  EXPECT_EQ(up.await_end(set), "FINISHED");
  auto record = up.show(set);
  EXPECT_EQ(number_of(record, "concurrency"), 4);
  EXPECT_EQ(number_of(record, "size"), 6);
  EXPECT_EQ(up.show(set + ".3").find("params")->find("x")->as_number(), 0.125);
  EXPECT_EQ(differences(up, set), 0);
  auto late = up.cli({"set", set, "trials=50"});
  EXPECT_EQ(late.code, 5);
  EXPECT_NE(late.err.find("it has ended"), std::string::npos) << late.err;
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, ABudgetIsKeptOverADeadHead) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  // 0.1 cores each, two at a time: 0.0005 core-hours are nine seconds.
  auto set = up.submit(
      set_of("while :; do sleep 0.1; done", space,
             R"("strategy":"random","trials":9,"seed":"5","concurrency":2,"budget":"0.0005gpuh")"));
  ASSERT_TRUE(up.await_state(set + ".2", "RUNNING"));
  up.kill9();
  ASSERT_TRUE(up.start());
  EXPECT_EQ(up.await_end(set), "FINISHED");
  auto record = up.show(set);
  EXPECT_EQ(text_of(record, "reason"),
            "2 finished, 7 not ended; the budget of 0.0005gpuh is spent");
  const auto& budget = *record.find("budget");
  EXPECT_EQ(text_of(budget, "unit"), "cpu_core_hours");
  EXPECT_NEAR(budget.find("spent")->as_number(), 0.0005, 0.0002);
  EXPECT_EQ(text_of(up.show(set + ".1"), "state"), "FINISHED");
  EXPECT_EQ(text_of(up.show(set + ".1"), "reason"), "the budget of 0.0005gpuh is spent");
  EXPECT_EQ(up.stop(), 0);
}

/// Counts epochs up to $3, goes on from its checkpoint, and keeps one an epoch.
constexpr const char* epochs = R"(
at=0; [ -z "$TROUPE_RESUME" ] || at=$(cat "$TROUPE_RESUME"); echo "from $at"
while [ $at -lt 8 ]; do
  at=$((at+1)); echo $at > "$TROUPE_CHECKPOINTS/.new"; mv "$TROUPE_CHECKPOINTS/.new" "$TROUPE_CHECKPOINTS/epoch-$at"
  printf '{"epoch":%s,"loss":%s}\n' $at "$1" >> "$TROUPE_METRICS"; sleep 0.5
done)";

TEST(Search, APopulationGoesOnFromTheCheckpointsOfItsBest) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = up.submit(
      set_of(epochs, space,
             R"("strategy":"random","trials":7,"seed":"5","concurrency":4,"metric":"min.loss",)"
             R"("early_stop":{"algorithm":"pbt","resource":"epoch","interval":2,"max":8})"));
  EXPECT_EQ(up.await_end(set), "FINISHED");
  int copies = 0;
  for (int member = 1; member <= 7; ++member) {
    auto id = fmt::format("{}.{}", set, member);
    auto record = up.show(id);
    auto donor = text_of(record, "branched_from");
    if (donor.empty()) continue;
    ++copies;
    EXPECT_EQ(up.log_text(id).find("from 0"), std::string::npos) << up.log_text(id);
    auto x = record.find("params")->find("x")->as_number();
    EXPECT_TRUE(x >= 0 && x <= 1) << x;
    auto why = up.get("/api/v1/experiments/" + id + "/why");
    ASSERT_TRUE(why);
    EXPECT_NE(why->to_text().find("a copy of member"), std::string::npos);
  }
  EXPECT_GT(copies, 0);
  EXPECT_EQ(number_of(up.show(set), "stopped"), copies);
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(up.stop(), 0);
}

TEST(Search, MembersWaitAtRungsAndGoOnByRank) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = up.submit(set_of(
      epochs, R"("parameters":[{"name":"x","choices":[1,2,3,4]},{"name":"y","choices":["a"]}])",
      R"("strategy":"grid","seed":"5","concurrency":1,"metric":"min.loss",)"
      R"("early_stop":{"algorithm":"asha-promote","resource":"epoch","min":2,"max":8,"eta":2})"));
  ASSERT_TRUE(await([&] { return !text_of(up.show(set + ".1"), "paused").empty(); }));
  up.kill9();
  ASSERT_TRUE(up.start());
  EXPECT_EQ(up.await_end(set, 120s), "FINISHED");
  auto best = up.show(set + ".1");
  EXPECT_EQ(text_of(best, "state"), "FINISHED");
  EXPECT_EQ(text_of(best, "reason"), "exit 0");
  const auto& attempts = best.find("attempts")->as_list();
  ASSERT_EQ(attempts.size(), 3u) << "it waited at both rungs";
  for (size_t i = 1; i < 3; ++i)
    EXPECT_TRUE(text_of(attempts[i], "resumed").starts_with("epoch-")) << best.to_text();
  auto why = up.cli({"why", set + ".1"}).out;
  EXPECT_NE(why.find("it gave its place away: asha-promote"), std::string::npos) << why;
  EXPECT_NE(why.find("its turn came, to go on from 2: "), std::string::npos) << why;
  auto worst = up.show(set + ".4");
  EXPECT_EQ(text_of(worst, "state"), "FINISHED");
  EXPECT_NE(text_of(worst, "reason").find("asha-promote: "), std::string::npos)
      << text_of(worst, "reason");
  EXPECT_EQ(differences(up, set), 0);
  EXPECT_EQ(up.stop(), 0);
}

}  // namespace
}  // namespace troupe::cluster
