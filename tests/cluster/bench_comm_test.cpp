// `troupe bench comm` as a user has it: ranks that measure, on a machine and as if each had its
// own.
#include "runtime/core/json.hpp"
#include "tests/cluster/harness.hpp"

#include <gmock/gmock.h>

namespace troupe::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

double number_in(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  return value != nullptr && value->is_number() ? value->as_number() : 0;
}

TEST(BenchComm, HoldsRanksOfOneMachineAgainstMemory) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto ran = up.cli({"bench", "comm", "--max", "16KiB"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("16384\t"));
  EXPECT_THAT(ran.err, HasSubstr("2 ranks on 1 host\n"));
  EXPECT_THAT(ran.err, HasSubstr("warning: 16 KiB is too small to say what memory allows"));
  EXPECT_EQ(up.state("1"), "FINISHED");
}

TEST(BenchComm, HoldsRanksOfSeveralHostsAgainstTheLink) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto ran = up.cli({"bench", "comm", "--tcp", "--workers", "1", "--processes", "3", "--max",
                     "64KiB", "-o", "json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  auto said = parse_json(ran.out);
  ASSERT_TRUE(said) << ran.out;
  EXPECT_EQ(number_of(*said, "ranks"), 3);
  EXPECT_EQ(number_of(*said, "hosts"), 3);
  EXPECT_GT(number_in(*said, "link_bytes_a_second"), 0);
  const auto* sizes = said->find("sizes");
  ASSERT_TRUE(sizes != nullptr && sizes->is_list() && sizes->as_list().size() == 4) << ran.out;
  const auto& last = sizes->as_list().back();
  EXPECT_EQ(number_of(last, "bytes"), 64 << 10);
  EXPECT_DOUBLE_EQ(number_in(last, "algbw"), (64 << 10) / number_in(last, "seconds"));
  EXPECT_DOUBLE_EQ(number_in(last, "busbw"), number_in(last, "algbw") * 4 / 3);
}

TEST(BenchComm, SaysWhatItCannotDo) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto alone = up.cli({"bench", "comm", "--workers", "1"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("one rank has nobody to reduce with"));
  auto many = up.cli({"bench", "comm", "--workers", "99"});
  EXPECT_NE(many.code, 0);
  EXPECT_THAT(many.err, HasSubstr("needs 99 workers at once"));
  EXPECT_THAT(up.cli({"ls", "-a"}).out, Not(HasSubstr("bench-comm"))) << "nothing was submitted";
}

}  // namespace
}  // namespace troupe::cluster
