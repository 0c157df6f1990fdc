#include "runtime/core/metric_registry.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

namespace troupe {
namespace {

TEST(MetricRegistry, PrintsOpenMetrics) {
  MetricRegistry registry;
  registry.counter("troupe_commits", "Commits of the ledger").add(3);
  registry.gauge("troupe_queue", "Experiments that wait").set(2.5);
  EXPECT_EQ(registry.open_metrics(),
            "# TYPE troupe_commits counter\n# HELP troupe_commits Commits of the ledger\n"
            "troupe_commits_total 3\n"
            "# TYPE troupe_queue gauge\n# HELP troupe_queue Experiments that wait\n"
            "troupe_queue 2.5\n# EOF\n");
  EXPECT_EQ(MetricRegistry{}.open_metrics(), "# EOF\n");
}

TEST(MetricRegistry, ANameAskedForTwiceIsTheSame) {
  MetricRegistry registry;
  auto& first = registry.counter("a", "");
  for (int n = 0; n < 100; ++n) registry.counter("b" + std::to_string(n), "");
  EXPECT_EQ(&registry.counter("a", "other"), &first);
}

TEST(MetricRegistry, CountsFromManyThreads) {
  MetricRegistry registry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) registry.counter("a", "").add();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("a", "").value(), 4000u);
}

TEST(MetricRegistryDeathTest, OneNameOfTwoKindsIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MetricRegistry registry;
  registry.counter("a", "");
  EXPECT_DEATH(registry.gauge("a", ""), "a");
}

}  // namespace
}  // namespace troupe
