// What every command pays before its first own instruction.
#include "runtime/core/fd.hpp"
#include "tests/cluster/harness.hpp"
#include "tests/temp_dir.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::cluster {
namespace {

TEST(Program, NeedsFewSharedLibraries) {
#ifndef TROUPE_ARCHIVES
  GTEST_SKIP() << "built with -DTROUPE_ARCHIVES=OFF: all libraries are shared";
#endif
  TempDir dir;
  auto said = dir.path() + "/said";
  // The dynamic linker names all it would load, and runs nothing.
  Child child{{TROUPE_PROGRAM, "version"}, {"LD_TRACE_LOADED_OBJECTS=1"}, dir.path(), said, said};
  ASSERT_EQ(child.wait(20s), 0);
  auto libraries = read_file(said).value_or("");
  // Ten with the kernel's and the linker itself; sanitizers bring theirs. Seventeen cost a command
  // 5 ms: what is used seldom is to be loaded at its first use, as gpu/ does with NVML.
  EXPECT_GT(std::count(libraries.begin(), libraries.end(), '\n'), 0);
  EXPECT_LE(std::count(libraries.begin(), libraries.end(), '\n'), 13) << libraries;
}

}  // namespace
}  // namespace troupe::cluster
