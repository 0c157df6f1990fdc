// A folder of one test, gone with all that is in it when the test ends.
#pragma once

#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace troupe {

class TempDir {
 public:
  TempDir() {
    std::string form = ::testing::TempDir() + "troupe-test-XXXXXX";
    path_ = ::mkdtemp(form.data()) ? form : "";
  }
  ~TempDir() { EXPECT_TRUE(remove_tree(path_)); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace troupe
