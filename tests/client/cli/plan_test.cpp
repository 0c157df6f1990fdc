// `troupe node plan` as a user calls it.
#include "client/cli/session.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/temp_dir.hpp"

#include <gtest/gtest.h>

namespace troupe::cli {
namespace {

struct Outcome {
  int code = 0;
  std::string out, talk;
};

Outcome plan(std::vector<std::string> words) {
  words.insert(words.begin(), {"node", "plan"});
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = main_of(words);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.talk = testing::internal::GetCapturedStderr();
  return outcome;
}

class Plan : public testing::Test {
 protected:
  void SetUp() override {
    file = dir.path() + "/machine.xml";
    ASSERT_TRUE(replace_file(file, R"(<system version="1">
      <cpu numaid="0" affinity="0000000f">
        <pci busid="0000:10:00.0" class="0x030200"/><pci busid="0000:11:00.0" class="0x030200"/>
      </cpu>
      <cpu numaid="1" affinity="000000f0">
        <pci busid="0000:20:00.0" class="0x030200"/><pci busid="0000:21:00.0" class="0x030200"/>
        <pci busid="0000:22:00.0" class="0x020700"/>
      </cpu></system>)"));
  }
  TempDir dir;
  std::string file;
};

TEST_F(Plan, SaysWhereWorkersGo) {
  auto said = plan({"--topology", file, "--gpus", "2", "--cpus", "4", "--workers", "2"});
  EXPECT_EQ(said.code, 0) << said.talk;
  EXPECT_NE(said.out.find("0\t0\t0\t0-1\t0\t"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("1\t1\t3\t6-7\t1\t0000:22:00.0"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("cores aaaa"), std::string::npos) << said.out;
}

TEST_F(Plan, AsJson) {
  auto said = plan({"--topology", file, "--gpus", "1", "--busy-gpus", "0-1", "-o", "json"});
  auto value = parse_json(said.out);
  ASSERT_TRUE(value) << said.out;
  const auto& worker = list_of(*value, "workers").at(0);
  EXPECT_EQ(text_of(list_of(worker, "gpus").at(0), "bus"), "0000:20:00.0");
  EXPECT_EQ(text_of(worker, "memory"), "1");
}

TEST_F(Plan, AsADrawing) {
  auto svg = dir.path() + "/plan.svg";
  EXPECT_EQ(plan({"--topology", file, "--svg", svg}).code, 0);
  auto text = read_file(svg);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->starts_with("<svg"));
}

TEST_F(Plan, WhatCannotBeIsAnError) {
  EXPECT_NE(plan({"--topology", file, "--gpus", "5"}).code, 0);
  auto third = plan({"--topology", file, "--gpus", "2", "--workers", "3"});
  EXPECT_NE(third.talk.find("worker 2: 2 GPUs are not there"), std::string::npos) << third.talk;
  EXPECT_NE(plan({"--topology", dir.path() + "/none.xml"}).code, 0);
  EXPECT_NE(plan({"--topology", file, "--binding", "tight"}).code, 0);
  EXPECT_NE(plan({"--topology", file, "--busy-cpus", "x"}).code, 0);
  ASSERT_TRUE(replace_file(file, "<topology version=\"2.0\"><object"));
  auto cut = plan({"--topology", file});
  EXPECT_NE(cut.code, 0);
  EXPECT_NE(cut.talk.find("machine.xml"), std::string::npos) << cut.talk;
  EXPECT_NE(cut.talk.find("line 1"), std::string::npos) << cut.talk;
}

TEST_F(Plan, TooFewCoresAreSaid) {
  auto said = plan({"--topology", file, "--cpus", "9"});
  EXPECT_EQ(said.code, 0);
  EXPECT_NE(said.talk.find("9 whole cores, and 8 are idle"), std::string::npos) << said.talk;
}

}  // namespace
}  // namespace troupe::cli
