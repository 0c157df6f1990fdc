#include "gpu/toolkit.hpp"

#include <gtest/gtest.h>

namespace troupe::gpu {
namespace {

TEST(Toolkit, IsNoneWhereThereIsNoLibraryOrAnother) {
  EXPECT_FALSE(find_toolkit({"libcudart-that-is-not-there.so"}));
  EXPECT_FALSE(find_toolkit({"libm.so.6"}));
  EXPECT_FALSE(find_toolkit({}));
}

TEST(Toolkit, OfThisMachineHasAVersion) {
  auto toolkit = find_toolkit();
  if (!toolkit) GTEST_SKIP() << "no CUDA runtime here";
  EXPECT_GE(toolkit->cuda, 12000);
}

}  // namespace
}  // namespace troupe::gpu
