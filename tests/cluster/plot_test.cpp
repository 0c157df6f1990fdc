// A small sweep in a real head, seen: as a page, as a table, and what the best feeds.
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/cluster/harness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cluster {
namespace {

/// Twelve members over two parameters, each with three steps; the one of x = 4 and y = b fails.
std::string sweep(UpProcess& up) {
  const std::string script = R"sh([ "$1$2" = 4b ] && exit 3
for s in 1 2 3; do printf '{"metric":"loss","value":%s.%s,"step":%s}\n' "$1" "$((4 - s))" "$s"; done
printf '{"metric":"odd","value":NaN,"step":1}\n')sh";
  return up.submit(fmt::format(
      R"({{"project":"p","run":[["sh","-c",{},"train","{{{{x}}}}","{{{{y}}}}"]],)"
      R"("resources":{{"cpus":0.1}},"parameters":[{{"name":"x","choices":[1,2,3,4,5,6]}},)"
      R"({{"name":"y","choices":["a","b"]}}],"sweep":{{"strategy":"grid","metric":"min.loss"}}}})",
      quoted(script)));
}

TEST(Plot, ASweepIsSeen) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = sweep(up);
  EXPECT_EQ(up.await_end(set), "FINISHED");

  auto page = up.cli({"plot", set, "-o", up.path("all.svg")});
  EXPECT_EQ(page.code, 0) << page.err;
  EXPECT_EQ(page.out, up.path("all.svg") + "\n");
  auto svg = up.read("all.svg");
  EXPECT_TRUE(svg.starts_with("<svg ")) << svg.substr(0, 100);
  for (const auto* heading :
       {"History", "Importance", "Parallel coordinates", "Contour", "Learning curves", "Slices"})
    EXPECT_NE(svg.find(fmt::format(">{}</text>", heading)), std::string::npos) << heading;
  EXPECT_NE(svg.find("no result (1)"), std::string::npos);

  auto numbers = up.cli({"plot", set, "-o", "json"});
  auto report = parse_json(numbers.out);
  ASSERT_TRUE(report) << numbers.out << numbers.err;
  EXPECT_GT(report->find("importance")->find("x")->as_number(), 0.8);

  auto piped = up.cli({"plot", set, "--kind", "history"});
  EXPECT_TRUE(piped.out.starts_with("<svg ") && piped.out.ends_with("</svg>\n"));
}

TEST(Plot, ASweepIsExportedAndItsBestRunsAgain) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = sweep(up);
  EXPECT_EQ(up.await_end(set), "FINISHED");
  auto csv = up.cli({"export", set});
  EXPECT_TRUE(csv.out.starts_with("id,member,state,")) << csv.err;
  EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 13);
  EXPECT_NE(csv.out.find("param.x,param.y,last.loss,min.loss,max.loss"), std::string::npos);

  auto file = up.cli({"export", set, "-o", up.path("set.json")});
  EXPECT_EQ(file.code, 0) << file.err;
  auto rows = parse_json(up.read("set.json"));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->as_list().size(), 12u);
  const auto& first = rows->as_list()[0];
  EXPECT_EQ(first.find("id")->as_string(), set + ".1");
  EXPECT_EQ(first.find("last.loss")->as_number(), 1.1);
  EXPECT_EQ(first.find("max.loss")->as_number(), 1.3);
  EXPECT_TRUE(first.find("last.odd")->is_null());
  EXPECT_EQ(first.find("node")->is_string(), true);
  EXPECT_EQ(rows->as_list()[7].find("state")->as_string(), "FAILED");

  auto best = up.cli({"best", set, "-o", "json"});
  ASSERT_EQ(best.code, 0);
  ASSERT_TRUE(replace_file(up.path("best.json"), best.out));
  auto again = up.cli({"run", "--no-code", "--params-from", up.path("best.json"), "--param", "y=c",
                       "--", "echo", "x is {{x}}", "y is {{y}}"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("x is 1 y is c"), std::string::npos) << again.out;
}

TEST(Plot, WhatCannotBeShownIsSaid) {
  UpProcess up;
  ASSERT_TRUE(up.start());
  auto set = sweep(up);
  EXPECT_EQ(up.await_end(set), "FINISHED");
  auto says = [&](std::vector<std::string> args, int code, const std::string& text) {
    auto output = up.cli(args);
    EXPECT_EQ(output.code, code) << output.err;
    EXPECT_NE(output.err.find(text), std::string::npos) << output.err;
    EXPECT_NE(output.err.find("hint: "), std::string::npos) << output.err;
    EXPECT_EQ(output.out, "");
  };
  says({"plot", set, "--kind", "pie"}, 2, "there is no plot `pie`");
  says({"plot", set, "--kind", "pareto"}, 2, "loss is its only metric");
  says({"plot", set, "--kind", "contour", "--params", "x,x"}, 2, "two parameters");
  says({"plot", set, "--params", "z"}, 2, "no parameter z");
  says({"plot", set, "--metric", "max.accuracy"}, 3, "reported: loss, odd");
  says({"plot", set, "--metric", "min.odd"}, 3, "NaN or infinite");
  says({"plot", set + ".1"}, 2, "is no set");
  says({"plot", set, "-o", up.path("no/such/folder.svg")}, 3, "was not written");
  says({"export", set, "-o", up.path("table.xlsx")}, 2, ".csv or .json");
  says({"export", set + ".1"}, 2, "is no set");
  says({"run", "--params-from", up.path("nothing.json"), "--", "true"}, 3, "nothing.json");

  auto unheard = up.submit(
      R"({"project":"p","run":["true"],"resources":{"cpus":0.1},"parameters":[{"name":"x","choices":[1,2]}],)"
      R"("env":{"X":"{{x}}"},"sweep":{"strategy":"grid","metric":"min.loss"}})");
  EXPECT_EQ(up.await_end(unheard), "FINISHED");
  says({"plot", unheard}, 3, "no member has reported any metric");
  EXPECT_EQ(up.cli({"export", unheard}).code, 0);
}

}  // namespace
}  // namespace troupe::cluster
