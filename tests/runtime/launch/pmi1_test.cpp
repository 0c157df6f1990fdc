#include "runtime/launch/pmi1.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::launch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string only(const std::vector<Pmi1::Answer>& answers) {
  EXPECT_EQ(answers.size(), 1u);
  return answers.empty() ? "" : answers[0].line;
}

TEST(Pmi1, AnswersWhatAProcessAsksAtItsStart) {
  Pmi1 node{2, 3};
  EXPECT_EQ(only(node.line(0, "cmd=init pmi_version=1 pmi_subversion=1")),
            "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n");
  EXPECT_THAT(only(node.line(1, "cmd=init pmi_version=7")), HasSubstr("rc=-1"));
  EXPECT_THAT(only(node.line(0, "cmd=get_maxes")), HasSubstr("vallen_max="));
  EXPECT_EQ(only(node.line(0, "cmd=get_universe_size")), "cmd=universe_size size=6\n");
  auto name = only(node.line(0, "cmd=get_my_kvsname"));
  EXPECT_THAT(name, HasSubstr("kvsname="));
  EXPECT_EQ(only(node.line(0, "cmd=get kvsname=x key=PMI_process_mapping")),
            "cmd=get_result rc=0 msg=success value=(vector,(0,2,3))\n");
  EXPECT_EQ(only(node.line(0, "cmd=finalize")), "cmd=finalize_ack\n");
  EXPECT_THAT(only(node.line(0, "cmd=spawn")), HasSubstr("rc=-1"));
  EXPECT_THAT(only(node.line(0, "hello")), HasSubstr("rc=-1"));
  EXPECT_THAT(node.line(0, "cmd=abort exitcode=3"), IsEmpty());
  EXPECT_EQ(node.begun(), 2u);
}

TEST(Pmi1, ExchangesWhatWasPutWithTheBarrier) {
  Pmi1 one{2, 2}, other{2, 2};
  EXPECT_THAT(only(one.line(0, "cmd=put kvsname=x key=P0 value=a=b:1")), HasSubstr("rc=0"));
  EXPECT_THAT(only(one.line(1, "cmd=put kvsname=x key=P0 value=c")), HasSubstr("rc=-1"));
  EXPECT_THAT(only(other.line(0, "cmd=get kvsname=x key=P0")), HasSubstr("key_not_found"));
  EXPECT_THAT(one.line(0, "cmd=barrier_in"), IsEmpty());
  EXPECT_FALSE(one.at_barrier());
  one.line(1, "cmd=barrier_in");
  ASSERT_TRUE(one.at_barrier());
  other.merge(one.puts());
  EXPECT_EQ(only(other.line(0, "cmd=get kvsname=x key=P0")),
            "cmd=get_result rc=0 msg=success value=a=b:1\n");
  auto answers = one.release();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].client, 1u);
  EXPECT_EQ(answers[1].line, "cmd=barrier_out\n");
  EXPECT_FALSE(one.at_barrier());
  EXPECT_EQ(one.puts(), "") << "each value travels once";
}

}  // namespace
}  // namespace troupe::launch
