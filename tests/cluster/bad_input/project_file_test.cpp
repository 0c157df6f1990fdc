// Project files and options that cannot be meant, through the command line.
#include "bad_input.hpp"

#include <fmt/format.h>

namespace troupe::cluster {
namespace {

struct Row {
  std::string text;
  std::vector<std::string> parts;  // of the error; the first is where it is
  std::string verb = "run";
};

std::string sweep(const std::string& parameters, const std::string& settings,
                  const std::string& run = "echo {{a}}") {
  return fmt::format("project: p\nrun: {}\nparameters:\n{}sweep: {}\n", run, parameters, settings);
}

/// Each alias names the one before nine times.
std::string alias_bomb() {
  std::string text = "project: p\nrun: echo\nlabels:\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string list;
    for (int k = 0; k < 9; ++k) list += fmt::format("{}*a{}", k == 0 ? "" : ",", i - 1);
    text += fmt::format("  a{0}: &a{0} [{1}]\n", i, list);
  }
  return text;
}

std::string nested(size_t depth) {
  return "project: p\nrun: echo\nlabels: " + std::string(depth, '[') + std::string(depth, ']');
}

TEST_F(BadInput, ProjectFilesAreRefusedWithTheirLine) {
  const std::vector<Row> rows{
      {"project: p\nrun: echo\nretires: 3\n", {"troupe.yaml:3:1", "retires"}},
      {"project: p\nrun: echo\nsweep: {trails: 3}\n", {":3:9", "did you mean `trials`?"}, "sweep"},
      {"project: p\nrun: echo\nresources: {mem: 4}\n", {":3:18", "unit"}},
      {"project: p\nrun: echo\nresources: {mem: 4Gx}\n", {":3:18", "Gx"}},
      {"project: p\nrun: echo\nresources: {cpus: many}\n", {":3:19", "cpus"}},
      {"project: p\nrun: echo\nlimits: {running: 5 parsecs}\n", {":3:19", "parsecs"}},
      {"project: p\nrun: echo\nrun: two\n", {":3:1", "\"run\" is given twice", "line 2"}},
      {"project: p\nrun: echo\nresources: {cpus: 1, cpus: 2}\n", {":3:22", "given twice"}},
      {"project: p\nrun: echo {{lr}}\n", {":2:", "no parameter is called lr"}},
      {"project: p\nrun: echo\nparameters: {lr: [1]}\n", {":3:14", "used nowhere"}, "sweep"},
      {sweep("  a: {range: {min: 2, max: 1}}\n", "{strategy: grid}"), {":4:", "2", "1"}, "sweep"},
      {sweep("  a: {range: {min: 0, max: 1, scale: log}}\n", "{strategy: random, trials: 2}"),
       {":4:", "log", "above 0"},
       "sweep"},
      {sweep("  a: {range: {min: -1, max: 1, scale: log}}\n", "{strategy: random, trials: 2}"),
       {":4:", "log", "above 0"},
       "sweep"},
      {sweep("  a: {range: {min: 0.5, max: 1}}\n", "{strategy: grid}"),
       {":4:", "count", "step"},
       "sweep"},
      {sweep("  a: {range: {min: 1, max: 1001}}\n  b: {range: {min: 1, max: 1000}}\n",
             "{strategy: grid}", "echo {{a}} {{b}}"),
       {":3:1", "1001000", "1000000"},
       "sweep"},
      {sweep("  a: [1, 2]\n", "{strategy: magic}"), {":5:", "magic"}, "sweep"},
      {"project: p\nrun: echo\n" + std::string(10u << 20, '#'),
       {"troupe.yaml", "1048576", "1 MiB"}},
      {nested(10'000), {":3:", "nested deeper than 32 levels"}},
      {alias_bomb(), {":", "aliases", "values"}},
      {"project: p\nrun: &a [*a]\n", {":2:10", "alias"}},
      {"project: p\nrun: echo \xff\xfe\n", {":2:11", "UTF-8"}},
      {"project: p\nrun: [\n", {"troupe.yaml:3:1", "YAML"}},
      {"", {"troupe.yaml", "empty"}},
      {std::string("project: p\nrun: echo \0x\n", 24), {"troupe.yaml:2:"}},
      {"- a\n- b\n", {"troupe.yaml:1:1", "map"}},
  };
  auto before = list();
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    SCOPED_TRACE(row.text.substr(0, 200));
    auto where = folder(fmt::format("project-{}", i));
    write(where + "/troupe.yaml", row.text);
    expect_refused(up_.cli({row.verb, "-d"}, 60s, where), 2, row.parts);
  }
  EXPECT_EQ(list(), before);
}

TEST_F(BadInput, OptionsAreRefused) {
  struct Case {
    std::vector<std::string> words;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases{
      {{"run", "--mem", "4", "--", "true"}, {"--mem", "unit"}},
      {{"run", "--cpus", "x", "--", "true"}, {"--cpus", "number"}},
      {{"run", "--cpus", "0", "--", "true"}, {"cpus"}},
      {{"run", "--cpus", "-1", "--", "true"}, {"cpus"}},
      {{"run", "--workers", "0", "--", "true"}, {"workers"}},
      {{"run", "--param", "lr", "--", "echo", "{{lr}}"}, {"--param", "lr"}},
      {{"run", "--param", "lr=1", "--", "echo"}, {"lr", "used nowhere"}},
      {{"run", "--", "echo", "{{lr}}"}, {"no parameter is called lr"}},
      {{"run", "--cpu", "3", "--", "true"}, {"unknown option --cpu", "did you mean --cpus?"}},
      {{"run", "--label", "x", "--", "true"}, {"--label", "x"}},
      {{"run", "--"}, {"no command"}},
      {{"run", "--", ""}, {"empty"}},
      {{"run"}, {"nothing to run"}},
      {{"sweep", "--param", "a=1..0", "--", "echo", "{{a}}"}, {"a"}},
      {{"sweep", "--param", "a=1,2", "--metric", "accuracy", "--", "echo", "{{a}}"}, {"metric"}},
      {{"sweep", "--param", "a=1,2", "--stop-when", "a >", "--no-code", "--", "echo", "{{a}}"},
       {"stop"}},
      {{"rnu"}, {"unknown command `rnu`", "did you mean `troupe run`?"}},
      {{"out", "gte"}, {"troupe out gte", "troupe out get"}},
      {{"ls", "--stat", "X"}, {"--stat", "did you mean --state?"}},
      {{"ls", "--state", "RUNING"}, {"RUNING", "RUNNING"}},
      {{"ls", "--limit", "x"}, {"--limit"}},
      {{"ls", "-o", "yaml"}, {"yaml"}},
      {{"ls", "extra"}, {"extra"}},
      {{"show"}, {"wants ID"}},
      {{"up", "--port", "99999"}, {"--port"}},
  };
  auto before = list();
  for (const auto& one : cases) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(one.words, " ")));
    expect_refused(up_.cli(one.words), 2, one.parts);
  }
  expect_refused(up_.cli({"run", "--after", "77", "--no-code", "--", "true"}), 3, {"77"});
  EXPECT_EQ(list(), before);
}

TEST_F(BadInput, IdsAreRefused) {
  auto id = run_to_end("true");
  for (const char* bad : {"x", "0", "-1", "42.", "42.1-", "5-3", "99999999999999999999999", "",
                          "1..2", "42.1-9999999", "7;rm", "../1", "\xff"}) {
    SCOPED_TRACE(bad);
    for (const char* verb : {"show", "logs", "kill", "wait", "metrics", "why", "best", "rerun"})
      expect_refused(up_.cli({verb, "--", bad}), 2, {"is not an id", "42.7"});
  }
  for (const char* verb : {"show", "logs", "kill", "wait", "metrics", "why", "best", "rerun"}) {
    SCOPED_TRACE(verb);
    expect_refused(up_.cli({verb, "4242"}), 3, {"4242"});
    expect_refused(up_.cli({verb, id + ".7"}), 3, {id});
  }
  expect_refused(up_.cli({"out", "ls", "4242"}), 3, {"4242"});
  expect_refused(up_.cli({"show", "last"}, 60s, folder("nothing-here")), 3, {"nothing-here"});
}

TEST_F(BadInput, WhatNoNodeHasIsRefusedAtOnce) {
  auto before = list();
  const std::vector<std::vector<std::string>> wishes{{"--cpus", "1000"},
                                                     {"--mem", "999TiB"},
                                                     {"--gpus", "64"},
                                                     {"--gpu-type", "H9", "--gpus", "1"}};
  for (const auto& wish : wishes) {
    std::vector<std::string> words{"run", "-d", "--no-code"};
    words.insert(words.end(), wish.begin(), wish.end());
    words.insert(words.end(), {"--", "true"});
    expect_refused(up_.cli(words), 2,
                   {"no node can ever run this", "the largest node is", "4 cpus"});
  }
  expect_refused(up_.cli({"sweep", "-d", "--no-code", "--cpus", "1000", "--param", "a=1,2", "--",
                          "echo", "{{a}}"}),
                 2, {"the largest node is"});
  EXPECT_EQ(list(), before);
}

TEST_F(BadInput, WithoutAHeadOrALogin) {
  auto context = up_.cli({"show", "1", "--url", "http://127.0.0.1:1"});
  EXPECT_EQ(context.code, 6) << context.err;
  EXPECT_NE(context.err.find("127.0.0.1:1"), std::string::npos) << context.err;
  EXPECT_NE(context.err.find("hint: "), std::string::npos) << context.err;

  write(up_.path("wrong-token"), "tu_wrong");
  auto wrong = up_.cli({"ls", "--url", up_.url(), "--token-file", up_.path("wrong-token")});
  expect_refused(wrong, 4, {"logged in"});
  auto json =
      up_.cli({"ls", "-o", "json", "--url", up_.url(), "--token-file", up_.path("wrong-token")});
  EXPECT_EQ(json.code, 4);
  EXPECT_EQ(json.out.find("{\"error\":{\"code\":\"unauthenticated\""), 0u) << json.out;

  ASSERT_EQ(up_.stop(), 0);
  expect_refused(up_.cli({"ls"}), 6, {up_.url().substr(7)});
  expect_refused(up_.cli({"run", "--no-code", "--", "true"}), 6, {});
  std::filesystem::remove_all(up_.path("config"));
  expect_refused(up_.cli({"ls"}), 4, {});
}

}  // namespace
}  // namespace troupe::cluster
