#include "gpu/comm/spin_budget.hpp"

#include <gtest/gtest.h>

namespace troupe::comm {
namespace {

TEST(SpinBudget, ShrinksWhereGivingWayHelpsAndComesBack) {
  SpinBudget budget{1000};
  EXPECT_EQ(budget.looks(), 1000u);
  for (int i = 0; i < 20; ++i) budget.came_by_yielding(1);
  EXPECT_EQ(budget.looks(), 32u);
  // Alone on its processor, a yield is no more than a slow look.
  for (int i = 0; i < 20; ++i) budget.came_by_yielding(7);
  EXPECT_EQ(budget.looks(), 1000u);
  budget.came_by_waiting();
  EXPECT_EQ(budget.looks(), 500u);
  budget.came_by_looking();
  EXPECT_EQ(budget.looks(), 1000u);
}

TEST(SpinBudget, TriesAllOfItNowAndThen) {
  SpinBudget budget{1000};
  // What comes after 40 looks, each time: a budget of 32 never sees it come.
  uint32_t long_looks = 0;
  for (uint32_t i = 0; i < 10; ++i) budget.came_by_waiting();
  ASSERT_EQ(budget.looks(), 32u);
  for (uint32_t i = 0; i < 2 * SpinBudget::waits_between_trials; ++i) {
    if (budget.looks() < 40) {
      budget.came_by_yielding(1);
    } else {
      budget.came_by_looking();
      ++long_looks;
    }
  }
  EXPECT_EQ(budget.looks(), 1000u);
  EXPECT_GT(long_looks, SpinBudget::waits_between_trials / 2) << "and stays there";
}

TEST(SpinBudget, ATrialThatFailsChangesNothing) {
  SpinBudget budget{1000};
  uint32_t trials = 0;
  for (uint32_t i = 0; i < 10 * SpinBudget::waits_between_trials; ++i) {
    if (i > 10 && budget.looks() == 1000) ++trials;
    budget.came_by_yielding(i % 2 == 0 ? 1 : 2);
  }
  EXPECT_GE(trials, 9u);
  EXPECT_LE(trials, 10u);
}

TEST(SpinBudget, OfNothingStaysNothing) {
  SpinBudget budget{0};
  budget.came_by_looking();
  budget.came_by_waiting();
  EXPECT_EQ(budget.looks(), 0u);
}

}  // namespace
}  // namespace troupe::comm
