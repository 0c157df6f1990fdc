#include "runtime/core/ids.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace troupe {
namespace {

std::string joined(std::string_view text) {
  auto selector = parse_selector(text);
  if (!selector) return "error: " + selector.error().detail;
  std::string out;
  for (auto id : selector->experiments) out += (out.empty() ? "" : " ") + to_string(id);
  if (!selector->role.empty()) out += " " + selector->role;
  if (selector->job_index >= 0) out += " " + std::to_string(selector->job_index);
  return out;
}

TEST(Ids, PrintAndReadBack) {
  for (const char* text : {"1", "42", "42.7", "9223372036854775807", "42.4294967295"}) {
    auto id = parse_experiment_id(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(to_string(*id), text);
  }
  for (const char* text : {"42.worker.0", "42.7.worker.3", "1.ps.1000000"}) {
    auto id = parse_job_id(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(to_string(*id), text);
  }
}

TEST(Ids, KnowTheirParent) {
  ExperimentId member{42, 7};
  EXPECT_TRUE(member.is_member());
  EXPECT_EQ(member.parent(), (ExperimentId{42, 0}));
  EXPECT_FALSE(member.parent().is_member());
  EXPECT_LT((ExperimentId{42, 7}), (ExperimentId{42, 10}));
}

TEST(Selectors, NameSeveral) {
  EXPECT_EQ(joined("42"), "42");
  EXPECT_EQ(joined("3-5"), "3 4 5");
  EXPECT_EQ(joined("7,3,5-6"), "7 3 5 6");
  EXPECT_EQ(joined("42.1-3"), "42.1 42.2 42.3");
  EXPECT_EQ(joined("42.1,3,5-8"), "42.1 42.3 42.5 42.6 42.7 42.8");
  EXPECT_EQ(joined("42.7.worker.0"), "42.7 worker 0");
  EXPECT_EQ(joined("42.worker.3"), "42 worker 3");
  EXPECT_EQ(joined("42.7.worker"), "42.7 worker");
  EXPECT_EQ(joined("42.1-2.worker.0"), "42.1 42.2 worker 0");
  EXPECT_EQ(joined("5-5"), "5");
}

TEST(Selectors, RefuseWhatIsNone) {
  for (const char* text : {"",
                           ".",
                           "42.",
                           ".7",
                           "last",
                           "a",
                           "-3",
                           "3-",
                           "5-3",
                           "0",
                           "42.0",
                           "0-3",
                           "42.1-",
                           "1,,2",
                           "1,",
                           "42.7.worker.x",
                           "42.7.worker.0.1",
                           "42.7.Worker.0",
                           "42.7.8",
                           "3-5.1",
                           "42.7.worker.1000001",
                           "42.7.worker.-1",
                           " 42",
                           "42 ",
                           "+4",
                           "0x10",
                           "4e2",
                           "9223372036854775808",
                           "99999999999999999999",
                           "42.4294967296",
                           "1-100001",
                           "1-60000,1-60000",
                           "1-9223372036854775807"}) {
    auto selector = parse_selector(text);
    ASSERT_FALSE(selector) << text;
    EXPECT_EQ(selector.error().code, Errc::invalid);
    EXPECT_FALSE(selector.error().hint.empty());
  }
}

TEST(Selectors, EndAtTheirLimit) {
  auto most = parse_selector("42.1-100000");
  ASSERT_TRUE(most);
  EXPECT_EQ(most->experiments.size(), 100'000u);
  EXPECT_FALSE(parse_selector("42.1-100000,100001"));
  EXPECT_FALSE(parse_selector("42.7,1-100000"));
}

TEST(Ids, RefuseASelectorOfTheOtherKind) {
  EXPECT_FALSE(parse_experiment_id("1-2"));
  EXPECT_FALSE(parse_experiment_id("42.worker.0"));
  EXPECT_FALSE(parse_job_id("42.7"));
  EXPECT_FALSE(parse_job_id("42.7.worker"));
  EXPECT_FALSE(parse_job_id("42.1-2.worker.0"));
}

TEST(Ids, HashApart) {
  std::unordered_set<size_t> hashes;
  for (uint64_t top = 1; top <= 100; ++top)
    for (uint32_t member = 0; member < 100; ++member)
      hashes.insert(std::hash<ExperimentId>{}({top, member}));
  EXPECT_EQ(hashes.size(), 10'000u);
}

}  // namespace
}  // namespace troupe
