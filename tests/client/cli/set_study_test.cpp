#include "client/cli/set_study.hpp"

#include "client/cli/set_export.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace troupe::cli {
namespace {

Value value_of(const std::string& json) {
  auto value = parse_json(json);
  EXPECT_TRUE(value) << json;
  return value ? *value : Value{};
}

const char* const set_json = R"({"id":"42","kind":"set","project":"digits","name":"mlp",
  "strategy":"auto","picked":"gp","seed":7,"metric":"max.accuracy","next":5,"parameters":[
  {"name":"lr","range":{"min":0.0001,"max":0.1,"scale":"log"}},
  {"name":"hidden","choices":[32,64,128]},
  {"name":"layers","range":{"min":1,"max":8,"scale":"linear"}},
  {"name":"opt","choices":["sgd","adam",null]},
  {"name":"data","value":"digits:3"}]})";

std::string member_json(int number, const std::string& state, const std::string& params,
                        const std::string& metrics, const std::string& more = "") {
  return fmt::format(R"({{"id":"42.{}","kind":"experiment","state":"{}","params":{},{}{}}})",
                     number, state, params, metrics, more);
}

StudyMaker maker_of(const std::string& metric = {}) {
  auto maker = StudyMaker::make(value_of(set_json), metric);
  EXPECT_TRUE(maker);
  return std::move(*maker);
}

TEST(SetStudy, TakesMembersAsListsShowThem) {
  auto maker = maker_of();
  maker.add(value_of(member_json(
      1, "FINISHED", R"({"lr":0.01,"hidden":64,"layers":2,"opt":"adam","data":"digits:3"})",
      R"("metrics":{"last":{"accuracy":0.7,"loss":0.3}},"best":{"accuracy":{"min":0.1,"max":0.9}})",
      R"(,"stopped":"")")));
  maker.add(value_of(member_json(2, "FINISHED", R"({"lr":0.1,"hidden":32,"opt":null})",
                                 R"("metrics":{"last":{"accuracy":"NaN"}},"best":{})",
                                 R"(,"stopped":"asha: rung 1")")));
  maker.add(value_of(member_json(3, "KILLED", "{}", R"("metrics":{"last":{}})")));
  EXPECT_EQ(maker.metrics(), (std::vector<std::string>{"accuracy", "loss"}));
  auto study = std::move(maker).finish();
  EXPECT_EQ(study.title, "Set 42: mlp (digits)");
  EXPECT_EQ(
      study.subtitle,
      "auto (gp), seed 7 · 3 members, 1 stopped early, 1 failed or killed · best accuracy 0.9 "
      "with 42.1: lr=0.01 hidden=64 layers=2 opt=adam data=digits:3");
  ASSERT_EQ(study.axes.size(), 5u);
  EXPECT_TRUE(study.axes[0].log);
  EXPECT_EQ(study.axes[0].low, 0.0001);
  EXPECT_TRUE(study.axes[1].ordered);
  EXPECT_EQ(study.axes[1].labels, (std::vector<std::string>{"32", "64", "128"}));
  EXPECT_TRUE(study.axes[2].whole);
  EXPECT_EQ(study.axes[3].labels.back(), "null");
  EXPECT_FALSE(study.axes[3].ordered);
  EXPECT_FALSE(study.axes[4].varies());
  const auto& first = study.members[0];
  EXPECT_EQ(first.fate, plot::Fate::finished);
  EXPECT_EQ(first.values[0], 0.9);  // its best, as the set compares
  EXPECT_EQ(first.params[1], 1);
  EXPECT_EQ(study.members[1].fate, plot::Fate::stopped);
  EXPECT_TRUE(std::isnan(study.members[1].values[0]));
  EXPECT_TRUE(std::isnan(study.members[1].params[2]));
  EXPECT_EQ(study.members[2].fate, plot::Fate::failed);
}

TEST(SetStudy, HasOtherGoalsWhereTheyAreAskedFor) {
  auto maker = maker_of("min.loss,max.accuracy");
  maker.add(value_of(member_json(
      1, "FINISHED", "{}",
      R"("metrics":{"last":{"accuracy":0.7,"loss":0.3}},"best":{"accuracy":{"min":0.1,"max":0.9}})")));
  auto study = std::move(maker).finish();
  ASSERT_EQ(study.goals.size(), 2u);
  EXPECT_FALSE(study.goals[0].maximize);
  EXPECT_EQ(study.members[0].values, (std::vector<double>{0.3, 0.7}));  // of several the last
  EXPECT_FALSE(StudyMaker::make(value_of(set_json), "accuracy"));       // neither min nor max
  EXPECT_FALSE(StudyMaker::make(value_of(R"({"id":"42.1","kind":"experiment"})"), ""));
}

TEST(SetStudy, FindsAxesThatNobodyWrote) {
  auto maker = StudyMaker::make(value_of(R"({"id":"7","kind":"set","metric":"min.loss"})"), "");
  ASSERT_TRUE(maker);
  for (int i = 1; i <= 60; ++i)
    maker->add(value_of(fmt::format(
        R"({{"id":"7.{0}","state":"FINISHED","params":{{"n":{0},"s":"v{0}","x":{1}}},"value":{0}}})",
        i, i % 2 == 0 ? "0.5" : "1e-7")));
  auto study = std::move(*maker).finish();
  ASSERT_EQ(study.axes.size(), 3u);
  EXPECT_TRUE(study.axes[0].whole);
  EXPECT_EQ(study.axes[0].high, 60);
  EXPECT_EQ(study.axes[1].labels.size(), 60u);
  EXPECT_TRUE(study.axes[2].log);
  EXPECT_EQ(study.best(), 0u);
}

TEST(SetStudy, PlotsFitTheTerminal) {
  auto text = [](size_t width, bool colour) {
    ValueList members;
    for (int i = 1; i <= 40; ++i)
      members.push_back(value_of(fmt::format(
          R"({{"id":"42.{0}","state":"FINISHED","params":{{"lr":{1},"hidden":{2}}},"value":{3}}})",
          i, 0.1 / i, 32 << i % 3, 0.5 + i % 3 * 0.1 + i * 1e-3)));
    auto set = value_of(set_json);
    set.as_map()["members"] = members;
    return terminal_plots(set, Output{{}, Face{true, colour, width}, Face{}});
  };
  auto plain = text(60, false);
  EXPECT_NE(plain.find("accuracy by member"), std::string::npos);
  EXPECT_NE(plain.find("hidden"), std::string::npos);
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  EXPECT_NE(text(60, true).find('\x1b'), std::string::npos);
  for (size_t width : {30, 60, 200}) {
    auto all = text(width, false);
    for (size_t from = 0, end; (end = all.find('\n', from)) != std::string::npos; from = end + 1)
      EXPECT_LE(text_width(all.substr(from, end - from)), std::max<size_t>(width, 40));
  }
  EXPECT_EQ(terminal_plots(value_of(set_json), Output{{}, Face{true, true, 80}, Face{}}), "");
}

TEST(SetExport, QuotesWhatCsvNeedsQuoted) {
  EXPECT_EQ(csv_field("plain text"), "plain text");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_field("cr\r"), "\"cr\r\"");
}

SetTable sample_table() {
  SetTable table{value_of(set_json)};
  table.add(value_of(member_json(
      1, "FINISHED", R"({"lr":0.01,"opt":"a,\"b\"","hidden":64,"extra":[1,2]})",
      R"("metrics":{"last":{"loss":0.5,"accuracy":"NaN"}},)"
      R"("best":{"loss":{"min":0.25,"max":"Infinity"}})",
      R"(,"reason":"exit 0","created":"2026-11-21T02:00:00Z","started":"2026-11-21T02:00:01.5Z",)"
      R"("ended":"2026-11-21T02:00:04Z","attempts":[{},{}],"exit_code":0,)"
      R"("jobs":[{"node":"n1"},{"node":"n2"},{"node":"n1"}])")));
  table.add(value_of(member_json(2, "QUEUED", "{}", R"("metrics":{"last":{}})")));
  return table;
}

TEST(SetExport, WritesCsv) {
  EXPECT_EQ(
      sample_table().csv(),
      "id,member,state,reason,error,stopped,created,queued,started,ended,seconds,node,attempts,"
      "exit_code,param.lr,param.hidden,param.layers,param.opt,param.data,param.extra,"
      "last.accuracy,min.accuracy,max.accuracy,last.loss,min.loss,max.loss\r\n"
      "42.1,1,FINISHED,exit 0,,,2026-11-21T02:00:00Z,,2026-11-21T02:00:01.5Z,"
      "2026-11-21T02:00:04Z,2.5,n1 n2,2,0,0.01,64,,\"a,\"\"b\"\"\",,\"[1,2]\","
      "nan,,,0.5,0.25,inf\r\n"
      "42.2,2,QUEUED,,,,,,,,,,0,,,,,,,,,,,,,\r\n");
}

TEST(SetExport, WritesJsonThatIsJson) {
  auto text = sample_table().json();
  EXPECT_NE(text.find("\"max.loss\":1e999"), std::string::npos);
  text.replace(text.find("1e999"), 5, "1e300");  // ours refuses what no double holds
  auto rows = value_of(text);
  ASSERT_EQ(rows.as_list().size(), 2u);
  const auto& first = rows.as_list()[0];
  EXPECT_EQ(first.find("param.lr")->as_number(), 0.01);
  EXPECT_TRUE(first.find("param.hidden")->is_int());
  EXPECT_EQ(first.find("param.opt")->as_string(), "a,\"b\"");
  EXPECT_TRUE(first.find("last.accuracy")->is_null());
  EXPECT_EQ(first.find("member")->as_int(), 1);
  EXPECT_EQ(first.as_map().size(), rows.as_list()[1].as_map().size());
}

TEST(SetExport, OfNoMembersIsAHeader) {
  SetTable table{value_of(set_json)};
  EXPECT_TRUE(table.csv().ends_with(",param.data\r\n"));
  EXPECT_EQ(table.json(), "[\n]\n");
}

}  // namespace
}  // namespace troupe::cli
