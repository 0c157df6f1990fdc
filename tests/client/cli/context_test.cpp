#include "client/cpp/context.hpp"

#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <sys/stat.h>

namespace troupe::client {
namespace {

class Contexts : public testing::Test {
 protected:
  void SetUp() override {
    std::array<char, 32> name{"/tmp/troupe-context-XXXXXX"};
    folder_ = mkdtemp(name.data());
    for (const auto* variable :
         {"TROUPE_URL", "TROUPE_TOKEN", "TROUPE_TOKEN_FILE", "TROUPE_CONTEXT"})
      unsetenv(variable);
    setenv("TROUPE_CONFIG_DIR", folder_.c_str(), 1);
  }
  void TearDown() override {
    (void)remove_tree(folder_);
    for (const auto* variable : {"TROUPE_URL", "TROUPE_TOKEN_FILE", "TROUPE_CONFIG_DIR"})
      unsetenv(variable);
  }
  std::string folder_;
};

TEST_F(Contexts, AreWrittenForTheirOwnerAlone) {
  ASSERT_TRUE(write_context({"local", "http://a:1", "token", "ada"}));
  struct stat info {};
  ASSERT_EQ(stat((folder_ + "/contexts/local.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(*current_context(), "local");
  auto endpoint = find_endpoint({});
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->url, "http://a:1");
  EXPECT_EQ(endpoint->token, "token");
}

TEST_F(Contexts, OptionsComeBeforeVariablesBeforeTheCurrentOne) {
  ASSERT_TRUE(write_context({"one", "http://one:1", "t1", "ada"}));
  ASSERT_TRUE(write_context({"two", "http://two:2", "t2", "ada"}, false));
  EXPECT_EQ(find_endpoint({})->url, "http://one:1");
  ASSERT_TRUE(replace_file(folder_ + "/token", "job-token\n", 0600, false));
  setenv("TROUPE_URL", "http://job:3", 1);
  setenv("TROUPE_TOKEN_FILE", (folder_ + "/token").c_str(), 1);
  EXPECT_EQ(find_endpoint({})->url, "http://job:3");
  EXPECT_EQ(find_endpoint({})->token, "job-token");
  EXPECT_EQ(find_endpoint({"", "", "two"})->token, "t2");
}

TEST_F(Contexts, ATokenGoesToItsOwnHeadOnly) {
  ASSERT_TRUE(write_context({"one", "http://one:1", "t1", "ada"}));
  EXPECT_EQ(find_endpoint({"http://other:1", "", ""})->token, "");
  EXPECT_EQ(find_endpoint({"http://one:1", "", ""})->token, "t1");
}

TEST_F(Contexts, NoneIsNotLoggedIn) {
  auto endpoint = find_endpoint({});
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, Errc::unauthenticated);
  EXPECT_FALSE(use_context("nobody"));
  EXPECT_FALSE(write_context({"../evil", "", "", ""}));
}

}  // namespace
}  // namespace troupe::client
