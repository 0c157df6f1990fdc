// What a C++ program finds in a job's environment.
#include "client/cpp/job_data.hpp"

#include "tests/storage/dataset/sealed_fixture.hpp"
#include "tests/temp_dir.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

namespace troupe::job {
namespace {

using ::testing::HasSubstr;

/// An environment variable for the time of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_{name} {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST(JobData, OpensWhatTheJobWasGivenAndNamesItElsewhere) {
  TempDir dir;
  dataset::Version version{{{"a", "first"}, {"b", "second"}}, 4};
  auto sealed = version.seal_in(dir.path());
  ASSERT_TRUE(sealed);
  auto outside = open_dataset("my-data.2");
  ASSERT_FALSE(outside);
  EXPECT_THAT(to_string(outside.error()), HasSubstr("this is no job"));
  Variable given{"TROUPE_RECORDS_MY_DATA_2", sealed->paths().folder};
  auto opened = open_dataset("my-data.2");
  ASSERT_TRUE(opened) << to_string(opened.error());
  auto records = dataset::RecordReader::of_files(*opened);
  ASSERT_TRUE(records);
  EXPECT_EQ(records->get(1).bytes(), "second");
  auto other = open_dataset("mnist");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::not_found);
  EXPECT_THAT(to_string(other.error()), HasSubstr("the job has my_data_2"));
  EXPECT_THAT(to_string(other.error()), HasSubstr("--data mnist"));
}

TEST(JobData, RanksShareAnEpochAndGoOnWithAnotherNumberOfThem) {
  std::multiset<uint64_t> seen;
  std::string cursor;
  for (const char* rank : {"0", "1", "2"}) {
    Variable mine{"RANK", rank}, all{"WORLD_SIZE", "3"};
    auto share = open_shard(100, 7);
    ASSERT_TRUE(share);
    for (int i = 0; i < 10; ++i) seen.insert(*share->next());
    cursor = to_string(share->cursor());
  }
  auto rest = open_shard(100, 0, cursor);
  ASSERT_TRUE(rest) << to_string(rest.error());
  while (auto index = rest->next()) seen.insert(*index);
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(std::set<uint64_t>(seen.begin(), seen.end()).size(), 100u) << "each once";
}

TEST(JobData, NonsenseIsRefused) {
  EXPECT_FALSE(open_shard(10, 0, "no cursor"));
  Variable all{"WORLD_SIZE", "2"};
  for (const char* rank : {"2", "-1", "x", "", "1 "}) {
    Variable mine{"RANK", rank};
    EXPECT_FALSE(open_shard(10, 0)) << rank;
  }
}

}  // namespace
}  // namespace troupe::job
