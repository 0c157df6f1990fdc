// One `troupe up` for the tests of this folder, and what every refusal owes: the exit code, an
// error that says what and what to do, and nothing made.
#pragma once

#include "tests/cluster/harness.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace troupe::cluster {

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(up_.start()); }

  /// A new folder below the test's own.
  std::string folder(const std::string& name) {
    auto path = up_.path(name);
    std::filesystem::create_directories(path);
    return path;
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream{path, std::ios::binary} << bytes;
  }
  /// The command line was refused with this code, and its error contains all of `parts`.
  static void expect_refused(const Output& output, int code,
                             const std::vector<std::string>& parts) {
    EXPECT_EQ(output.code, code) << output.out << output.err;
    // What was said before, such as the size of a set, stands in lines of its own.
    EXPECT_NE(("\n" + output.err).find("\nerror: "), std::string::npos) << output.err;
    EXPECT_NE(output.err.find("\nhint: "), std::string::npos) << output.err;
    for (const auto& part : parts)
      EXPECT_NE(output.err.find(part), std::string::npos) << part << " in: " << output.err;
  }
  std::string list() { return up_.cli({"ls", "-a", "-o", "json"}).out; }
  /// Submits `sh -c script` and waits for its end; the id.
  std::string run_to_end(const std::string& script, const std::string& more = {}) {
    auto id = up_.submit_shell(script, more);
    up_.await_end(id);
    return id;
  }

  UpProcess up_;
};

}  // namespace troupe::cluster
