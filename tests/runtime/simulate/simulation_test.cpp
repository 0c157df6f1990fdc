#include "runtime/simulate/simulation.hpp"

#include "tests/runtime/simulate/traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::simulate {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Workload of(std::string_view text) {
  return read_lines(text).value();
}
Options with(schedule::Policy policy) {
  Options options;
  options.policy = std::move(policy);
  return options;
}

/// One GPU: a long one that takes `long_run`, and half an hour later a short one.
Report long_and_short(const std::string& long_run) {
  auto workload = of(R"({"nodes": 1, "gpus": 1}
{"at": 0, "run": ")" +
                     long_run + R"(", "gpus": 1}
{"at": "30m", "run": "6m", "gpus": 1})");
  auto options = with(schedule::Policy::attained());
  options.grace = seconds{20};
  return run(workload, options);
}

TEST(Simulation, RunsWhatFitsAndCountsTheRest) {
  auto workload = of(R"({"nodes": 1, "gpus": 2}
{"at": 0, "run": "1h", "gpus": 2}
{"at": 0, "run": "1h", "gpus": 1}
{"at": 0, "run": "2h", "gpus": 1, "limit": "1h"}
{"at": "1h", "run": "1h", "gpus": 3})");
  auto report = run(workload, with(schedule::Policy::fifo()));
  EXPECT_EQ(report.finished, 2u);
  EXPECT_EQ(report.cut, 1u);
  EXPECT_EQ(report.never_started, 1u);
  EXPECT_EQ(report.outcomes[0].end, Time{hours{1}});
  EXPECT_EQ(report.outcomes[1].first_start, Time{hours{1}});
  EXPECT_EQ(report.outcomes[2].end, Time{hours{2}});
  EXPECT_DOUBLE_EQ(report.makespan_hours, 2);
  EXPECT_DOUBLE_EQ(report.gpu_use, 1);
  EXPECT_DOUBLE_EQ(report.completion.mean, 5.0 / 3);
}

TEST(Simulation, AStoppedOneDoesTheRestOfItsWorkAndPaysForTheRestart) {
  auto report = long_and_short("1h");
  EXPECT_EQ(report.stops, 1u);
  EXPECT_EQ(report.outcomes[1].first_start, Time{minutes{30} + seconds{20}});
  EXPECT_EQ(report.outcomes[0].longest_stall, Time{minutes{6}});
  EXPECT_EQ(report.outcomes[0].end, Time{minutes{66} + seconds{50}});
}

TEST(Simulation, OneThatEndsByItselfIsNotStopped) {
  auto report = long_and_short("1805s");
  EXPECT_EQ(report.stops, 0u);
  EXPECT_EQ(report.outcomes[1].first_start, Time{seconds{1805}});
}

TEST(Simulation, IsTheSameEachTime) {
  auto workload =
      of("{\"nodes\": 2, \"gpus\": 4}\n{\"run\": \"1h\", \"gpus\": 3, \"count\": 50, "
         "\"every\": \"7m\"}\n{\"run\": \"20m\", \"gpus\": 1, \"count\": 200, "
         "\"every\": \"3m\"}");
  auto one = run(workload, with(schedule::Policy::attained()));
  auto two = run(workload, with(schedule::Policy::attained()));
  EXPECT_GT(one.stops, 0u);
  EXPECT_EQ(one.finished, 250u);
  EXPECT_EQ(chart(one, "x"), chart(two, "x"));
  EXPECT_EQ(one.completion.mean, two.completion.mean);
}

TEST(Simulation, TheChartIsOnePieceOfSvg) {
  auto report = run(of("{\"nodes\": 1, \"gpus\": 1}\n{\"run\": \"1h\", \"gpus\": 1}"), {});
  auto svg = chart(report, "a <b> & c");
  EXPECT_TRUE(svg.starts_with("<svg ")) << svg.substr(0, 40);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("a &lt;b&gt; &amp; c"), std::string::npos);
  EXPECT_FALSE(chart(run({}, {}), "").empty());
}

// The recipes and what other policies reach: tests/bench. Virtual time, so the bounds are exact.
TEST(Trace, AttainedServiceOnThePhillySlice) {
  auto table = trace("philly_first60000.csv.xz");
  if (!table) GTEST_SKIP() << table.error().what;
  auto workload = read_philly(*table).value();
  keep_slice(workload, 20'000, 40'000);
  workload.nodes = read_cluster("1x512").value();
  auto report = run(workload, with(schedule::Policy::attained()));
  EXPECT_EQ(report.finished, 20'000u);
  EXPECT_LE(report.completion.mean, 3.0);
  EXPECT_LE(report.first_wait.max, 24);
  EXPECT_LE(report.stall.max, 24);
  // The whole line in order is what the same trace gave elsewhere: the simulator agrees with it.
  report = run(workload, with(schedule::Policy::fifo()));
  EXPECT_NEAR(report.completion.mean, 5.42, 0.01);
}

}  // namespace
}  // namespace troupe::simulate
