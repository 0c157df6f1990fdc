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

TEST(SpinBudget, OfNothingStaysNothing) {
  SpinBudget budget{0};
  budget.came_by_looking();
  budget.came_by_waiting();
  EXPECT_EQ(budget.looks(), 0u);
}

}  // namespace
}  // namespace troupe::comm
