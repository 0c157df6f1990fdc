#include "client/cli/output.hpp"

#include "client/cli/entry_text.hpp"
#include "client/cli/follow.hpp"
#include "client/cli/sparkline.hpp"
#include "runtime/core/json.hpp"

#include <gtest/gtest.h>

namespace troupe::cli {
namespace {

const Face terminal{true, false, 40};
const Face pipe_face{false, false, 80};

Table sample() {
  Table table{{{"ID"}, {"NAME", false, true}, {"CREATED", true}}};
  table.row({{"42"}, {"a name that is much too long for so narrow a terminal"}, {"3s ago", "T1"}});
  table.row({{"42.7"}, {"größe\tx"}, {"2h ago", "T2"}});
  return table;
}

TEST(Table, FitsATerminal) {
  auto text = sample().text(terminal);
  EXPECT_EQ(text.substr(0, 2), "ID");
  size_t from = 0;
  for (size_t end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
    EXPECT_LE(text_width(text.substr(from, end - from)), 40U);
  EXPECT_NE(text.find("…"), std::string::npos);
  EXPECT_NE(text.find("2h ago"), std::string::npos);
}

TEST(Table, IsWholeAndTabSeparatedOtherwise) {
  EXPECT_EQ(sample().text(pipe_face),
            "42\ta name that is much too long for so narrow a terminal\tT1\n42.7\tgröße x\tT2\n");
}

TEST(Text, IsSafeForATerminal) {
  EXPECT_EQ(safe_text("a\x1b[31mb\x07"), "a?[31mb?");
  EXPECT_EQ(safe_text("a\x1b[31mb\x1b[2J", true), "a\x1b[31mb?[2J");
  EXPECT_EQ(cut("größer", 4), "grö…");
}

TEST(Errors, HaveFourPartsAndAnExitCode) {
  Error error{Errc::not_found, "no 42", "never was", "see ls"};
  EXPECT_EQ(error_text(error, false), "error: no 42\n  never was\nhint: see ls");
  EXPECT_EQ(
      json_text(error_value(error)),
      R"({"error":{"code":"not_found","detail":"never was","hint":"see ls","message":"no 42"}})");
  EXPECT_EQ(exit_code_of(Errc::not_found), 3);
  EXPECT_EQ(exit_code_of(Errc::unauthenticated), 4);
  EXPECT_EQ(exit_code_of(Errc::refused), 5);
  EXPECT_EQ(exit_code_of(Errc::unavailable), 6);
  EXPECT_EQ(exit_code_of(Errc::timed_out), 7);
}

TEST(Times, AreRelativeForPeople) {
  auto now = parse_rfc3339("2026-11-21T02:00:00Z");
  ASSERT_TRUE(now);
  EXPECT_EQ(ago("2026-11-21T01:59:48Z", *now), "12s ago");
  EXPECT_EQ(ago("2026-11-20T23:00:00Z", *now), "3h ago");
  EXPECT_EQ(span_text("2026-11-21T01:00:00Z", "2026-11-21T01:30:00Z", *now), "30m");
  EXPECT_EQ(span_text("", "", *now), "");
}

TEST(ExitCode, IsTheJobsOwn) {
  auto code = [](const char* text) { return exit_code_of_entry(*parse_json(text)); };
  EXPECT_EQ(code(R"({"kind":"experiment","state":"FINISHED","exit_code":0})"), 0);
  EXPECT_EQ(code(R"({"kind":"experiment","state":"FAILED","exit_code":7})"), 7);
  EXPECT_EQ(
      code(R"({"kind":"experiment","state":"KILLED","exit_code":null,"jobs":[{"signal":15}]})"),
      143);
  EXPECT_EQ(code(R"({"kind":"experiment","state":"SKIPPED","exit_code":null,"jobs":[]})"), 1);
  EXPECT_EQ(code(R"({"kind":"set","state":"FINISHED","counts":{"failed":0}})"), 0);
  EXPECT_EQ(code(R"({"kind":"set","state":"FINISHED","counts":{"failed":2}})"), 1);
}

TEST(Sparkline, FollowsTheValues) {
  auto points = parse_json(R"([{"value":0.0},{"value":1.0},{"value":"NaN"},{"value":0.5}])");
  ASSERT_TRUE(points);
  EXPECT_EQ(sparkline(points->as_list(), 10), "▁█ ▅");
  EXPECT_EQ(text_width(sparkline(points->as_list(), 2)), 2U);
  EXPECT_EQ(sparkline({}, 10), "");
}

}  // namespace
}  // namespace troupe::cli
