#include "runtime/config/project_file.hpp"

#include "runtime/core/submission_check.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace troupe::config {
namespace {

constexpr const char* whole = R"(project: digits
name: mlp
run: python3 train.py --lr {{lr}} --hidden {{hidden}} --dropout {{dropout}}
setup: [pip install -r requirements.txt]
resources: {cpus: 2, mem: 2GiB, gpus: 0, gpu_type: H100, shm: 1GiB}
workers: 1
data: [digits:3, {source: 41/out, mount: previous}]
parameters:
  lr: {range: {min: 1e-4, max: 1e-1, scale: log}}
  hidden: [32, 64, 128]
  dropout: {range: {min: 0.0, max: 0.5, step: 0.1}}
sweep: {strategy: random, trials: 20, seed: 7, concurrency: 4, metric: max.accuracy,
        stop_when: "accuracy >= 0.99", max_failures: 3, on_stop: kill}
limits: {pending: 2h, running: 24h}
retry: {count: 2, backoff: 30s}
priority: 50
env: {VAR: value, N: 010, ON: true}
labels: {team: vision}
tasks: {eval: {run: python3 eval.py}}
)";

Request project(Purpose purpose = Purpose::as_written) {
  Request request;
  request.purpose = purpose;
  request.default_project = "p";
  return request;
}

std::string error_of(std::string_view text, const Request& request = project()) {
  auto file = parse_project_file(text, "troupe.yaml", request);
  return file ? "no error" : file.error().what + " | " + file.error().hint;
}

#define EXPECT_ERROR(text, part) \
  EXPECT_NE(error_of(text).find(part), std::string::npos) << error_of(text)

TEST(ProjectFile, ReadsTheFileOfTheContract) {
  auto file = parse_project_file(whole, "troupe.yaml");
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& spec = file->submission.experiment;
  EXPECT_EQ(spec.project, "digits");
  EXPECT_EQ(spec.name, "mlp");
  ASSERT_EQ(spec.run.size(), 1u);
  EXPECT_EQ(spec.setup[0].shell, "pip install -r requirements.txt");
  Resources resources;
  resources.cpus = 2;
  resources.mem = 2u << 30;
  resources.gpu_type = "H100";
  resources.shm = 1u << 30;
  EXPECT_EQ(spec.resources, resources);
  EXPECT_EQ(spec.data, (std::vector<DataMount>{{"digits:3", ""}, {"41/out", "previous"}}));
  ASSERT_EQ(spec.parameters.size(), 3u);
  EXPECT_EQ(spec.parameters[0].name, "lr");  // the order of the file is the order of a grid
  EXPECT_TRUE(spec.parameters[0].range->log);
  EXPECT_EQ(spec.parameters[0].range->min, Value{1e-4});
  EXPECT_EQ(spec.parameters[1].choices, (std::vector<Value>{32, 64, 128}));
  EXPECT_EQ(spec.parameters[2].range->step, Value{0.1});
  const auto& sweep = file->submission.sweep;
  ASSERT_TRUE(sweep);
  EXPECT_EQ(sweep->strategy, "random");
  EXPECT_EQ(sweep->trials, 20u);
  EXPECT_EQ(sweep->seed, 7u);
  EXPECT_EQ(sweep->concurrency, 4u);
  EXPECT_EQ(sweep->metric, (Metric{true, "accuracy"}));
  EXPECT_EQ(sweep->stop_when, "accuracy >= 0.99");
  EXPECT_EQ(sweep->max_failures, 3u);
  EXPECT_EQ(spec.limits.running, std::chrono::hours{24});
  EXPECT_EQ(spec.retry, (Retry{2, std::chrono::seconds{30}}));
  EXPECT_EQ(spec.env,
            (std::map<std::string, std::string>{{"VAR", "value"}, {"N", "010"}, {"ON", "true"}}));
  EXPECT_EQ(file->tasks, std::vector<std::string>{"eval"});
  EXPECT_EQ(file->positions.at("parameters.hidden").line, 10);
  EXPECT_EQ(file->positions.at("parameters.hidden").column, 3);
}

TEST(ProjectFile, ReadsAWatchdogInShortAndInFull) {
  auto watchdog = [](const std::string& text, const Request& request = project()) {
    auto file = parse_project_file("run: x\nwatchdog: " + text, "f", request);
    EXPECT_TRUE(file) << to_string(file.error());
    return file ? file->submission.experiment.watchdog : Watchdog{};
  };
  EXPECT_EQ(watchdog("2m"), (Watchdog{std::chrono::minutes{2}, HangAction::report}));
  EXPECT_EQ(watchdog("{patience: 90s, action: fail}"),
            (Watchdog{std::chrono::seconds{90}, HangAction::fail}));
  auto request = project();
  request.options = {{"watchdog-action", "restart"}};
  EXPECT_EQ(watchdog("2m", request), (Watchdog{std::chrono::minutes{2}, HangAction::restart}));
  EXPECT_ERROR("run: x\nwatchdog: {patience: 2m, action: pray}", "report, restart or fail");
  EXPECT_ERROR("run: x\nwatchdog: {action: restart}", "no patience");
  EXPECT_ERROR("run: x\nwatchdog: 10ms", "the patience is 10ms");
}

TEST(ProjectFile, SaysWhichCheckpointsAreKept) {
  auto rule = [](const std::string& text) {
    auto file = parse_project_file("run: x\n" + text, "f", project());
    EXPECT_TRUE(file) << text;
    return file ? file->submission.experiment.checkpoints : std::nullopt;
  };
  EXPECT_EQ(rule(""), std::nullopt);
  EXPECT_EQ(rule("checkpoints: {keep_last: 5}"), (CheckpointRule{5, 1, std::nullopt}));
  EXPECT_EQ(rule("checkpoints: {keep_best: 3, metric: min.loss}"),
            (CheckpointRule{2, 3, Metric{false, "loss"}}));
  EXPECT_TRUE(rule("checkpoints: {shards: true}")->shards);
  EXPECT_ERROR("run: x\ncheckpoints: {shards: true, keep_last: 0}", "keep_last");
  EXPECT_ERROR("run: x\ncheckpoints: {keep_last: -1}", "keep_last");
  EXPECT_ERROR("run: x\ncheckpoints: {keep_last: 101}", "keep_last");
  EXPECT_ERROR("run: x\ncheckpoints: {metric: loss}", "loss");
  EXPECT_ERROR("run: x\ncheckpoints: {keep: 2}", "keep");
}

TEST(ProjectFile, TypesFollowYaml12) {
  auto value_of = [](const std::string& text) {
    auto file = parse_project_file("run: x {{a}}\nparameters: {a: " + text + "}", "f", project());
    return file ? file->submission.experiment.parameters[0].choices[0]
                : Value{"error: " + file.error().what};
  };
  EXPECT_EQ(value_of("1"), Value{1});
  EXPECT_EQ(value_of("-7"), Value{-7});
  EXPECT_EQ(value_of("010"), Value{10});
  EXPECT_EQ(value_of("0o10"), Value{8});
  EXPECT_EQ(value_of("0x1F"), Value{31});
  EXPECT_EQ(value_of("1e-4"), Value{1e-4});
  EXPECT_EQ(value_of("1e3"), Value{1000.0});
  EXPECT_EQ(value_of("1."), Value{1.0});
  EXPECT_EQ(value_of(".5"), Value{0.5});
  EXPECT_EQ(value_of("yes"), Value{"yes"});
  EXPECT_EQ(value_of("off"), Value{"off"});
  EXPECT_EQ(value_of("True"), Value{true});
  EXPECT_EQ(value_of("~"), Value{});
  EXPECT_EQ(value_of("'1'"), Value{"1"});
  EXPECT_EQ(value_of("\"true\""), Value{"true"});
  EXPECT_EQ(value_of("!!str 1"), Value{"1"});
  EXPECT_EQ(value_of("1_000"), Value{"1_000"});
  EXPECT_EQ(value_of("1.2.3"), Value{"1.2.3"});
  EXPECT_EQ(value_of("-"), Value{"-"});
  EXPECT_EQ(value_of("9223372036854775807"), Value{INT64_MAX});
  EXPECT_EQ(value_of("-9223372036854775808"), Value{INT64_MIN});
  EXPECT_TRUE(value_of("9223372036854775808").as_string().starts_with("error"));
  EXPECT_TRUE(value_of("1e999").as_string().starts_with("error"));
  EXPECT_TRUE(value_of(".inf").as_string().starts_with("error"));
  EXPECT_TRUE(value_of(".nan").as_string().starts_with("error"));
}

TEST(ProjectFile, UnknownKeysGetPlaceAndSuggestion) {
  auto file = parse_project_file("run: x\n\nsweep:\n  strategy: grid\n  trails: 3\n", "troupe.yaml",
                                 project());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().what, "troupe.yaml:5:3: unknown key \"trails\" in `sweep`");
  EXPECT_EQ(file.error().hint, "did you mean `trials`?");
  EXPECT_EQ(file.error().code, Errc::invalid);
  EXPECT_ERROR("runn: x", "troupe.yaml:1:1: unknown key \"runn\" | did you mean `run`?");
}

TEST(ProjectFile, RefusesBadValuesAtTheirPlace) {
  EXPECT_ERROR("run: x\nresources: {mem: 4}", "troupe.yaml:2:18: `resources.mem`");
  EXPECT_ERROR("run: x\nresources: {mem: 4}", "unit is missing");
  EXPECT_ERROR("run: x\nresources: {mem: 4Gib}", "unknown unit \"Gib\"");
  EXPECT_ERROR("run: x\nresources: {cpus: two}", "must be a number, it is \"two\"");
  EXPECT_ERROR("run: x\nresources: {cpus: 0}", "cpus is 0");
  EXPECT_ERROR("run: x\nresources: {gpus: -1}", "whole number");
  EXPECT_ERROR("run: x\nresources: {gpus: 1.5}", "whole number");
  EXPECT_ERROR("run: x\nresources: {gpus: 0.0001}", "thousandths");
  EXPECT_ERROR("run: x\nresources: {gpu_mem: 40}", "unit is missing");
  EXPECT_ERROR("run: x\nresources: {node_labels: [rack]}", "must be a map");
  EXPECT_ERROR("run: x\nresources: {node_labels: {\"a b\": c}}", "cannot be a label's name");
  EXPECT_ERROR("run: x\npreemptible: maybe", "must be true or false");
  EXPECT_ERROR("run: x\nexclusive: strictly", "must be true or false");
  EXPECT_ERROR("run: x\nreceipt: printed", "must be true or false");
  EXPECT_ERROR("run: x\nlimits: {running: 5}", "unit is missing");
  EXPECT_ERROR("run: x\nrun: y",
               "troupe.yaml:2:1: key \"run\" is given twice | the first is in line 1");
  EXPECT_ERROR("run: x\nenv: {A: 1, A: 2}", "given twice");
  EXPECT_ERROR("run: x\nenv: [A]", "must be a map");
  EXPECT_ERROR("run: {a: b}", "must be a text");
  EXPECT_ERROR("run:", "must be a text");
  EXPECT_ERROR("project: p", "nothing to run");
  EXPECT_ERROR("run: x\npriority: 101", "from 0 to 100");
  EXPECT_ERROR("run: x\nworkers: 8..2", "wrong way round");
  EXPECT_ERROR("run: x\nworkers: 0", "whole number from 1");
  EXPECT_ERROR("run: x\nproject: a b", "cannot be a project's name");
  EXPECT_ERROR("run: x\nsweep: {concurrency: 8..2}", "troupe.yaml:2:22: `sweep.concurrency`");
  EXPECT_ERROR("run: x\nsweep: {concurrency: 8..2}", "the lower end comes first");
  EXPECT_ERROR("run: x\nsweep: {concurrency: 0..4}", "may never run");
  EXPECT_ERROR("run: x\nsweep: {concurrency: ..}", "whole numbers");
  EXPECT_ERROR("run: x\nsweep: {concurrency: many}", "whole number");
  EXPECT_ERROR("run: x\nsweep: {on_stop: maybe}", "kill or finish");
  EXPECT_ERROR("run: x\nsweep: {early_stop: {algorithm: asha}}", "no metric to compare by");
  EXPECT_ERROR("run: x\nsweep: {strategy: tpe}", "strategy tpe has nothing to learn from");
  EXPECT_ERROR("run: x\nsweep: {strategy: tpo}", "there is no strategy");
  EXPECT_ERROR("run: x\nsweep: {strategy: gp, metric: [min.loss, max.accuracy]}",
               "cannot search for several metrics");
  EXPECT_ERROR("run: x\nsweep: {metric: [min.loss, max.loss]}", "named twice");
  EXPECT_ERROR("run: x\nsweep: {strategy: grid, from: 41}", "learns nothing");
  EXPECT_ERROR("run: x\nsweep: {from: 0}", "whole number from 1");
}

TEST(ProjectFile, ChecksPlaceholdersBothWays) {
  EXPECT_ERROR("run: x {{lr}}\nparameters: {lt: 1}",
               "troupe.yaml:1:1: {{lr}}: no parameter is called lr | did you mean `lt`?");
  EXPECT_ERROR("run: x\nparameters: {lr: 1}", "troupe.yaml:2:14: the parameter lr is used nowhere");
  EXPECT_ERROR("run: x {{lr", "{{ without }}");
  EXPECT_ERROR("run: [a, 'b {{x}}']", "troupe.yaml:1:10");
  for (auto text :
       {"run: x {{lr}}\nparameters: {lr: 1}", "run: x\nsetup: y {{lr}}\nparameters: {lr: 1}",
        "run: x\nenv: {L: '{{lr}}'}\nparameters: {lr: 1}"})
    EXPECT_EQ(error_of(text), "no error");
}

TEST(ProjectFile, ChecksRanges) {
  auto with = [](const std::string& range, const std::string& sweep = "{}") {
    return error_of("run: x {{a}}\nparameters: {a: {range: " + range + "}}\nsweep: " + sweep);
  };
  EXPECT_NE(with("{min: 2, max: 1}").find("troupe.yaml:2:26: min 2 is above max 1"),
            std::string::npos)
      << with("{min: 2, max: 1}");
  EXPECT_NE(with("{min: 0.0, max: 1, scale: log}").find("above 0"), std::string::npos);
  EXPECT_NE(with("{min: 0.0, max: 1.0}", "{strategy: grid}").find("continuous"), std::string::npos);
  EXPECT_NE(with("{min: 0.0, max: 1.0}").find("trials"), std::string::npos);
  EXPECT_NE(with("{min: 0, max: 1000000}", "{strategy: grid}").find("1000000"), std::string::npos);
  EXPECT_NE(with("{min: -1e308, max: 1e308, step: 1e-308}", "{strategy: grid}").find("far more"),
            std::string::npos);
  EXPECT_NE(with("{min: 0}").find("has no max"), std::string::npos);
  EXPECT_NE(with("{min: a, max: 2}").find("must be a number"), std::string::npos);
  EXPECT_EQ(with("{min: 0, max: 999999}", "{strategy: grid}"), "no error");
  EXPECT_EQ(with("{min: 0.0, max: 1.0, count: 5}", "{strategy: grid}"), "no error");
  EXPECT_EQ(with("{min: 0.1, max: 0.3, step: 0.1}", "{strategy: grid}"), "no error");
  EXPECT_EQ(with("{min: 0.0, max: 1.0}", "{trials: 5}"), "no error");
}

TEST(ProjectFile, ListStrategyZipsOrTakesPoints) {
  EXPECT_ERROR("run: x {{a}} {{b}}\nparameters: {a: [1, 2], b: [1, 2, 3]}\nsweep: {strategy: list}",
               "b has 3 values, but a has 2");
  auto file = parse_project_file(
      "run: x {{a}} {{b}}\nparameters:\n- {a: 1, b: x}\n- {a: 2, b: y}\nsweep: {}", "f", project());
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->submission.sweep->strategy, "list");
  ASSERT_EQ(file->submission.sweep->points.size(), 2u);
  EXPECT_EQ(file->submission.sweep->points[1].at("b"), Value{"y"});
  EXPECT_ERROR("run: x {{a}}\nparameters: [{a: 1}, {b: 2}]\nsweep: {}", "other parameters");
  EXPECT_ERROR("run: x {{a}}\nparameters: [{a: 1}]", "sweep only");
}

TEST(ProjectFile, ChoosesTheStrategy) {
  auto strategy = [](const std::string& parameter, const std::string& sweep) {
    auto file = parse_project_file(
        "run: x {{a}}\nparameters: {a: " + parameter + "}\nsweep: " + sweep, "f", project());
    return file ? file->submission.sweep->strategy : file.error().what;
  };
  EXPECT_EQ(strategy("[1, 2]", "{}"), "grid");
  EXPECT_EQ(strategy("{range: {min: 1, max: 3}}", "{}"), "grid");
  EXPECT_EQ(strategy("{range: {min: 0.0, max: 1.0, step: 0.5}}", "{}"), "grid");
  EXPECT_EQ(strategy("{range: {min: 0.0, max: 1.0}}", "{trials: 3}"), "random");
  EXPECT_EQ(strategy("[1, 2, 3]", "{trials: 2}"), "random");
}

TEST(ProjectFile, PlainRunNeedsOneValueEach) {
  auto request = project(Purpose::run);
  auto error = error_of(whole, request);
  EXPECT_NE(error.find("more than one value"), std::string::npos) << error;
  EXPECT_NE(error.find("troupe sweep"), std::string::npos) << error;
  request.options = {{"param", "lr=0.1"}, {"param", "hidden=64"}, {"param", "dropout=0.0"}};
  auto file = parse_project_file(whole, "troupe.yaml", request);
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_FALSE(file->submission.sweep);
  EXPECT_EQ(file->submission.experiment.parameters[1].choices, std::vector<Value>{64});
}

TEST(ProjectFile, OptionsOverrideBeforeChecks) {
  auto request = project(Purpose::sweep);
  request.options = {{"cpus", "0.5"},
                     {"mem", "1GiB"},
                     {"workers", "2..4"},
                     {"processes", "3"},
                     {"retries", "5"},
                     {"max-time", "10m"},
                     {"trials", "9"},
                     {"seed", "11"},
                     {"env", "FROM"},
                     {"env", "B=c=d"},
                     {"label", "k=v"},
                     {"data", "mnist:2:m"},
                     {"data", "41/out:o:rw"},
                     {"data", "prices:2::rw"},
                     {"mount-method", "erofs-loop"},
                     {"priority", "7"},
                     {"gpus", "0.25"},
                     {"gpu-mem", "40GiB"},
                     {"node-label", "rack=a"},
                     {"node-label", "zone=1"},
                     {"preemptible", "false"},
                     {"param", "lr=0.1,0.2"},
                     {"watchdog", "2m"},
                     {"exclusive", "true"},
                     {"receipt", "false"},
                     {"watchdog-action", "restart"},
                     {"max-processes", "500"},
                     {"param", "hidden=8"},
                     {"param", "dropout=0..1:step=0.1"},
                     {"metric", "min.loss"}};
  request.environment = [](const std::string& name) {
    return name == "FROM" ? std::optional<std::string>{"outside"} : std::nullopt;
  };
  auto file = parse_project_file(whole, "troupe.yaml", request);
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& spec = file->submission.experiment;
  EXPECT_EQ(spec.resources.cpus, 0.5);
  EXPECT_EQ(spec.resources.mem, 1u << 30);
  EXPECT_EQ(spec.resources.gpu_type, "H100");
  EXPECT_EQ(spec.resources.gpus, 1u);
  EXPECT_EQ(spec.resources.gpu_share, 250u);
  EXPECT_EQ(spec.resources.gpu_mem, uint64_t{40} << 30);
  EXPECT_EQ(spec.resources.node_labels,
            (std::map<std::string, std::string>{{"rack", "a"}, {"zone", "1"}}));
  EXPECT_FALSE(spec.preemptible);
  EXPECT_TRUE(spec.exclusive);
  EXPECT_FALSE(spec.receipt);
  EXPECT_EQ(spec.watchdog, (Watchdog{std::chrono::minutes{2}, HangAction::restart}));
  EXPECT_EQ(spec.resources.max_processes, 500u);
  EXPECT_EQ(spec.workers, (Workers{2, 4, 3}));
  EXPECT_EQ(spec.retry, (Retry{5, std::chrono::seconds{30}}));
  EXPECT_EQ(spec.limits.running, std::chrono::minutes{10});
  EXPECT_EQ(spec.env.at("FROM"), "outside");
  EXPECT_EQ(spec.env.at("B"), "c=d");
  EXPECT_EQ(spec.env.at("VAR"), "value");
  EXPECT_EQ(spec.labels.at("k"), "v");
  EXPECT_EQ(spec.data,
            (std::vector<DataMount>{
                {"mnist:2", "m"}, {"41/out", "o", "", true}, {"prices:2", "", "", true}}));
  EXPECT_EQ(spec.mount_method, MountMethod::erofs_loop);
  EXPECT_EQ(spec.parameters[0].choices, (std::vector<Value>{0.1, 0.2}));
  EXPECT_EQ(spec.parameters[1].choices, (std::vector<Value>{8}));
  EXPECT_EQ(spec.parameters[2].range->step, Value{0.1});
  EXPECT_EQ(file->submission.sweep->trials, 9u);
  EXPECT_EQ(file->submission.sweep->seed, 11u);
  EXPECT_EQ(file->submission.sweep->metric, (Metric{false, "loss"}));
}

TEST(ProjectFile, ErrorsNameTheOption) {
  auto with = [](const std::string& name, const std::string& value,
                 Purpose purpose = Purpose::run) {
    auto request = project(purpose);
    request.options = {{name, value}};
    return error_of("run: x", request);
  };
  EXPECT_EQ(with("cpus", "many").substr(0, 8), "--cpus: ");
  EXPECT_EQ(with("mem", "4").substr(0, 7), "--mem: ");
  EXPECT_NE(with("mount-method", "nfs").find("erofs-loop"), std::string::npos);
  EXPECT_NE(with("cpu", "4").find("did you mean `cpus`?"), std::string::npos);
  EXPECT_NE(with("trials", "4").find("troupe sweep"), std::string::npos);
  EXPECT_NE(with("param", "lr").find("NAME=VALUE"), std::string::npos);
  EXPECT_NE(with("param", "lr=1").find("--param: the parameter lr is used nowhere"),
            std::string::npos)
      << with("param", "lr=1");
  EXPECT_NE(with("param", "lr=0..1:lig", Purpose::sweep).find("lig"), std::string::npos);
  EXPECT_NE(with("env", "SURELY_NOT_SET_ANYWHERE").find("not set"), std::string::npos);
  EXPECT_NE(with("strategy", "grdi", Purpose::sweep).find("did you mean `grid`?"),
            std::string::npos);
}

TEST(ProjectFile, ParameterOptionsAreTyped) {
  auto parameter = [](const std::string& spec, Purpose purpose) {
    Request request = project(purpose);
    request.options = {{"param", "a=" + spec}, {"trials", "3"}};
    if (purpose == Purpose::run) request.options.pop_back();
    request.command = Command{"x {{a}}", {}};
    auto file = without_project_file(request);
    EXPECT_TRUE(file) << spec << to_string(file.error());
    return file->submission.experiment.parameters[0];
  };
  EXPECT_EQ(parameter("1e-3", Purpose::run).choices[0], Value{1e-3});
  EXPECT_EQ(parameter("a,b", Purpose::run).choices[0], Value{"a,b"});
  EXPECT_EQ(parameter("1..2", Purpose::run).choices[0], Value{"1..2"});
  EXPECT_EQ(parameter("'1'", Purpose::run).choices[0], Value{"1"});
  EXPECT_EQ(parameter("1,x,'a,b',2.5", Purpose::sweep).choices,
            (std::vector<Value>{1, "x", "a,b", 2.5}));
  auto log = parameter("1e-4..1e-1:log", Purpose::sweep);
  ASSERT_TRUE(log.range);
  EXPECT_TRUE(log.range->log);
  EXPECT_EQ(log.range->max, Value{1e-1});
  EXPECT_EQ(parameter("-1..1:count=5", Purpose::sweep).range->count, 5);
  EXPECT_EQ(parameter("a..b", Purpose::sweep).choices[0], Value{"a..b"});
  EXPECT_EQ(parameter("../2", Purpose::sweep).choices[0], Value{"../2"});
  EXPECT_EQ(parameter("1..2.txt", Purpose::sweep).choices[0], Value{"1..2.txt"});
}

TEST(ProjectFile, ARangeWithoutAnEndIsNoText) {
  for (const auto* spec : {"nan..1", "1..inf", "-Inf..3", "1..", "..5", "0..NaN:log"}) {
    auto request = project(Purpose::sweep);
    request.options = {{"param", std::string{"a="} + spec}, {"trials", "3"}};
    request.command = Command{"x {{a}}", {}};
    auto file = without_project_file(request);
    ASSERT_FALSE(file) << spec;
    EXPECT_NE(file.error().what.find("number"), std::string::npos) << file.error().what;
  }
}

TEST(ProjectFile, AnotherStrategyKeepsTheTrialsUnlessItTakesEveryPoint) {
  const std::string text =
      "run: x {{a}}\nparameters: {a: [1, 2, 3, 4]}\n"
      "sweep: {strategy: random, trials: 2, metric: min.loss}";
  auto read = [&](const std::string& strategy, const std::string& from) {
    auto request = project(Purpose::sweep);
    request.options = {{"strategy", strategy}};
    auto file = parse_project_file(from, "f", request);
    EXPECT_TRUE(file) << to_string(file.error());
    return std::move(*file);
  };
  for (const auto* strategy : {"random", "sobol", "auto", "tpe", "gp"})
    EXPECT_EQ(read(strategy, text).submission.sweep->trials, 2u) << strategy;
  EXPECT_FALSE(read("grid", text).submission.sweep->trials);
  auto grid =
      read("grid", "run: x {{a}}\nparameters: {a: [1, 2]}\nsweep: {strategy: grid, trials: 1}");
  EXPECT_EQ(grid.submission.sweep->trials, 1u);
  ASSERT_EQ(grid.warnings.size(), 1u);
  EXPECT_NE(grid.warnings[0].find("not more"), std::string::npos) << grid.warnings[0];
}

TEST(ProjectFile, ASpaceOfAnotherProgramGoesBesideWhatTheFileHas) {
  auto request = project(Purpose::sweep);
  request.options = {
      {"space",
       R"({"parameters": {"b": {"choices": ["x"], "when": "a == 1"}, "a": {"choices": [1, 2]}},
          "sweep": {"constraints": ["a < 3"]}})"},
      {"param", "c=5,6"}};
  request.command = Command{"x {{a}} {{b}} {{c}}", {}};
  auto file = parse_project_file(
      "run: x {{a}}\nparameters: {a: 7}\n"
      "sweep: {strategy: random, constraints: [\"a > 0\"]}",
      "f", request);
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& parameters = file->submission.experiment.parameters;
  ASSERT_EQ(parameters.size(), 3u);
  EXPECT_EQ(parameters[0].choices, (std::vector<Value>{1, 2}));
  EXPECT_EQ(parameters[1].when, "a == 1");
  EXPECT_EQ(file->submission.sweep->constraints, (std::vector<std::string>{"a > 0", "a < 3"}));
  request.command = Command{"x {{a}}", {}};
  auto unused = parse_project_file("run: x\nsweep: {strategy: random}", "f", request);
  ASSERT_FALSE(unused);
  EXPECT_NE(unused.error().what.find("--space: the parameter b"), std::string::npos)
      << unused.error().what;
}

TEST(ProjectFile, TasksInheritAndOverride) {
  auto request = project(Purpose::run);
  request.task = "eval";
  auto file = parse_project_file(whole, "troupe.yaml", request);
  ASSERT_TRUE(file) << to_string(file.error());
  const auto& spec = file->submission.experiment;
  EXPECT_EQ(spec.run[0].shell, "python3 eval.py");
  EXPECT_EQ(spec.task, "eval");
  EXPECT_EQ(spec.resources.cpus, 2);
  EXPECT_TRUE(spec.parameters.empty());
  request.task = "evil";
  auto missing = parse_project_file(whole, "troupe.yaml", request);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().hint, "did you mean `eval`?");
  request.task = "t";
  EXPECT_NE(error_of("run: x\ntasks: {t: {rum: y}}", request).find("did you mean `run`"),
            std::string::npos);
}

TEST(ProjectFile, WorksWithoutAFile) {
  auto request = project(Purpose::run);
  request.command = Command{"", {"echo", "a b"}};
  auto file = without_project_file(request);
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->submission.experiment.run, std::vector<Command>{*request.command});
  EXPECT_EQ(file->submission.experiment.project, "p");
  request.command.reset();
  EXPECT_FALSE(without_project_file(request));
}

TEST(ProjectFile, RefusesWhatIsNoProjectFile) {
  EXPECT_ERROR("", "empty");
  EXPECT_ERROR("# nothing\n", "empty");
  EXPECT_ERROR("- a", "must be a map");
  EXPECT_ERROR("run: x\n---\nrun: y", "second document");
  EXPECT_ERROR("run: x\nenv:\n\tA: b", "troupe.yaml:3:1: the line is indented with a tab");
  EXPECT_ERROR("run: \"x\xff\"", "no UTF-8");
  EXPECT_ERROR("run: \xed\xa0\x80", "no UTF-8");
  EXPECT_ERROR(std::string_view("run: x\0y", 8), "control character");
  EXPECT_ERROR("run: [x", "not valid YAML");
  EXPECT_ERROR("run: x\nenv: {A: *none}", "not valid YAML");
  EXPECT_ERROR("? [a]\n: b", "plain word");
  EXPECT_ERROR("run: !!python/object x", "means nothing here");
  EXPECT_ERROR("run: x\nenv: &e {A: *e}", "alias");
}

TEST(ProjectFile, BombsEndSoon) {
  auto begin = std::chrono::steady_clock::now();
  EXPECT_ERROR(std::string(10u << 20, 'x'), "too large");
  EXPECT_ERROR("run: " + std::string(100'000, '['), "nested deeper");
  EXPECT_ERROR("run: " + std::string(100'000, '{'), "nested deeper");
  std::string blocks;
  for (int i = 0; i < 1000; ++i) blocks += std::string(i, ' ') + "a:\n";
  EXPECT_ERROR(blocks, "nested deeper");
  std::string bomb = "run: x\nenv:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    auto n = std::to_string(i), p = "*a" + std::to_string(i - 1);
    bomb += "  a" + n + ": &a" + n + " [" + p;
    for (int k = 1; k < 10; ++k) bomb += ", " + p;
    bomb += "]\n";
  }
  EXPECT_ERROR(bomb, "more than");
  EXPECT_ERROR(
      "run: [" +
          [] {
            std::string many;
            for (int i = 0; i < 400'000; ++i) many += "a,";
            return many;
          }() +
          "]",
      "more than 200000 values");
  // Far above what it takes; without the limits it would be minutes, or the memory of the machine.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{60});
}

TEST(ProjectFile, AliasesMeanTheirValue) {
  auto file = parse_project_file("run: x\nenv: &e {A: 1}\nlabels: *e", "f", project());
  ASSERT_TRUE(file) << to_string(file.error());
  EXPECT_EQ(file->submission.experiment.labels.at("A"), "1");
}

TEST(ProjectFile, SurvivesMutations) {
  uint64_t state = 42;
  auto random = [&](size_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<size_t>(state % below);
  };
  const std::string pieces[] = {"{{", "}}",   "[",     "]",    "{",     "}",  ": ", "&a ",
                                "*a", "!!x ", "|\n",   "- ",   "? ",    "\t", "#",  "'",
                                "\"", "\n",   "---\n", "\xff", "1e999", "%",  "@",  ".."};
  size_t good = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string text = whole;
    for (size_t edits = 1 + random(4); edits > 0; --edits) {
      auto at = random(text.size());
      switch (random(4)) {
        case 0:
          text.insert(at, pieces[random(std::size(pieces))]);
          break;
        case 1:
          text.erase(at, 1 + random(20));
          break;
        case 2:
          text[at] = static_cast<char>(random(256));
          break;
        default:
          text.insert(at, text.substr(random(text.size()), random(40)));
          break;
      }
    }
    auto file = parse_project_file(text, "f", project());
    if (file) {
      ++good;
      EXPECT_FALSE(check_submission(file->submission));
    } else {
      EXPECT_FALSE(file.error().what.empty());
    }
  }
  EXPECT_GT(good, 20u);
  EXPECT_LT(good, 1900u);
}

TEST(ProjectFile, StarterRunsAndSweeps) {
  auto text = starter_project_file("my-project");
  for (auto purpose : {Purpose::run, Purpose::sweep, Purpose::as_written}) {
    auto file = parse_project_file(text, "troupe.yaml", project(purpose));
    ASSERT_TRUE(file) << to_string(file.error());
    EXPECT_EQ(file->submission.experiment.project, "my-project");
  }
  auto request = project(Purpose::sweep);
  request.options = {{"param", "x=0.0..5.0"}, {"param", "y=-2.0..2.0"}};
  EXPECT_TRUE(parse_project_file(text, "troupe.yaml", request));
}

TEST(ProjectFile, RootIsFoundUpwards) {
  auto base =
      std::filesystem::temp_directory_path() / ("troupe-root-" + std::to_string(::getpid()));
  std::filesystem::create_directories(base / "a" / "b");
  EXPECT_EQ(find_project_root((base / "a" / "b").string()), std::nullopt);
  std::ofstream{base / "troupe.yaml"} << "run: x\n";
  EXPECT_EQ(find_project_root((base / "a" / "b").string()), base.string());
  EXPECT_EQ(find_project_root(base.string()), base.string());
  std::filesystem::remove_all(base);
  EXPECT_EQ(project_name_of("/home/ada/My Project!"), "My-Project");
  EXPECT_EQ(project_name_of("/home/ada/x/"), "x");
  EXPECT_EQ(project_name_of("/"), "project");
  EXPECT_EQ(project_name_of("/.hidden"), "hidden");
}

}  // namespace
}  // namespace troupe::config
