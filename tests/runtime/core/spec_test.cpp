#include "runtime/core/spec.hpp"

#include "runtime/core/json.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace troupe {
namespace {

/// Random specs, the same from the same seed.
class Maker {
 public:
  explicit Maker(uint64_t seed) : random_{seed} {}

  ExperimentSpec experiment() {
    ExperimentSpec spec;
    spec.project = text();
    if (chance()) spec.name = text();
    if (chance()) spec.task = text();
    for (auto n = below(3); n > 0; --n) spec.setup.push_back(command());
    for (auto n = 1 + below(3); n > 0; --n) spec.run.push_back(command());
    if (chance()) spec.resources = resources();
    if (chance())
      spec.workers = {static_cast<uint32_t>(below(10)), static_cast<uint32_t>(below(4096)),
                      static_cast<uint32_t>(below(8))};
    for (auto n = below(3); n > 0; --n) spec.data.push_back({text(), text(), "", chance()});
    if (chance()) spec.mount_method = MountMethod::erofs_loop;
    for (auto n = below(4); n > 0; --n) spec.parameters.push_back(parameter());
    if (chance()) spec.limits = {Duration{below(1'000'000)}, Duration{below(1'000'000)}};
    if (chance()) spec.retry = {static_cast<uint32_t>(below(9)), Duration{below(1'000'000)}};
    if (chance()) spec.checkpoints = CheckpointRule{3, 0, Metric{false, "loss"}};
    if (spec.checkpoints && chance()) spec.checkpoints->shards = true;
    if (chance()) spec.watchdog = {Duration{below(1'000'000)}, HangAction::restart};
    if (chance()) spec.priority = static_cast<int32_t>(below(101));
    spec.preemptible = chance();
    spec.exclusive = chance();
    spec.receipt = chance();
    for (auto n = below(3); n > 0; --n) spec.env[text()] = text();
    for (auto n = below(3); n > 0; --n) spec.labels[text()] = text();
    for (auto n = below(3); n > 0; --n)
      spec.after.push_back({static_cast<uint64_t>(1 + below(99)), static_cast<uint32_t>(below(9))});
    if (chance()) spec.code_digest = std::string(64, 'a');
    if (chance()) spec.code_git = "0123abc+dirty";
    if (chance()) spec.seed = random_();
    return spec;
  }

  SweepSpec sweep() {
    SweepSpec sweep;
    sweep.strategy = chance() ? "grid" : "random";
    if (chance()) sweep.trials = below(1'000'000);
    if (chance()) sweep.seed = random_();
    if (chance()) sweep.concurrency = static_cast<uint32_t>(below(100));
    if (sweep.concurrency.value_or(0) > 1 && chance())
      sweep.concurrency_sure = 1 + static_cast<uint32_t>(below(*sweep.concurrency - 1));
    if (chance()) sweep.metric = Metric{chance(), "val.accuracy"};
    if (chance()) sweep.stop_when = "accuracy >= 0.99 and loss < 1";
    if (chance()) sweep.max_failures = static_cast<uint32_t>(below(4));
    sweep.kill_on_stop = chance();
    if (chance()) sweep.early_stop = ValueMap{{"algorithm", "asha"}, {"eta", 3}};
    for (auto n = below(3); n > 0; --n) sweep.points.push_back({{"a", value()}, {"b", value()}});
    return sweep;
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  bool chance() { return below(2) == 0; }
  std::string text() {
    static const std::string pieces[] = {"a", "train", "\"", "\\", "\n", " ",
                                         "é", "日本",  "{}", "'",  "$x", std::string(1, '\0')};
    std::string out = "t" + std::to_string(below(1000));
    for (auto n = below(5); n > 0; --n) out += pieces[below(std::size(pieces))];
    return out;
  }
  Command command() {
    if (chance()) return {text(), {}};
    return {"", {text(), "", text()}};
  }
  Resources resources() {
    Resources out;
    out.cpus = static_cast<double>(1 + below(64)) / 4;
    out.mem = static_cast<uint64_t>(below(1LL << 50));
    out.gpus = static_cast<uint32_t>(below(9));
    out.gpu_share = static_cast<uint32_t>(1 + below(1000));
    out.gpu_type = chance() ? "H100" : "";
    out.gpu_mem = static_cast<uint64_t>(below(1LL << 40));
    out.shm = static_cast<uint64_t>(below(1LL << 40));
    for (auto n = below(3); n > 0; --n) out.node_labels[text()] = text();
    return out;
  }
  Value value() {
    switch (below(5)) {
      case 0:
        return below(1'000'000) - 500'000;
      case 1:
        return static_cast<double>(below(1'000'000)) / 1024;
      case 2:
        return chance();
      case 3:
        return Value{};
      default:
        return text();
    }
  }
  Parameter parameter() {
    Parameter p;
    p.name = "p" + std::to_string(below(1000));
    if (chance()) {
      for (auto n = 1 + below(4); n > 0; --n) p.choices.push_back(value());
      return p;
    }
    p.range = ParameterRange{.min = below(10), .max = 10.5, .step = {}, .count = {}};
    if (chance()) p.range->step = 0.1;
    if (chance()) p.range->count = below(10);
    p.range->log = chance();
    return p;
  }

  std::mt19937_64 random_;
};

TEST(Spec, RoundTripsThroughText) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    auto spec = Maker{seed}.experiment();
    auto text = json_text(to_value(spec));
    auto value = parse_json(text);
    ASSERT_TRUE(value) << text;
    auto back = experiment_spec_from(*value);
    ASSERT_TRUE(back) << to_string(back.error()) << text;
    EXPECT_EQ(*back, spec) << "seed " << seed << ": " << text;
    EXPECT_EQ(json_text(to_value(*back)), text);
  }
}

TEST(SweepSpec, RoundTripsThroughText) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    auto sweep = Maker{seed}.sweep();
    auto text = json_text(to_value(sweep));
    auto back = sweep_spec_from(*parse_json(text));
    ASSERT_TRUE(back) << to_string(back.error()) << text;
    EXPECT_EQ(*back, sweep) << "seed " << seed << ": " << text;
  }
}

TEST(Spec, SeedsKeepAll64Bits) {
  ExperimentSpec spec;
  spec.run = {{"true", {}}};
  spec.seed = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(experiment_spec_from(*parse_json(json_text(to_value(spec))))->seed, spec.seed);
}

TEST(Spec, DefaultsAreLeftOut) {
  ExperimentSpec spec;
  spec.project = "p";
  spec.run = {{"true", {}}};
  EXPECT_EQ(json_text(to_value(spec)), R"({"project":"p","run":["true"]})");
  EXPECT_EQ(json_text(to_value(SweepSpec{})), R"({"strategy":"random"})");
}

TEST(Spec, ASpecOfTheWrongShapeIsRefused) {
  for (const char* text :
       {R"([])",
        R"("x")",
        R"({"project":1})",
        R"({"run":"true"})",
        R"({"run":[1]})",
        R"({"run":[["a",1]]})",
        R"({"resources":[]})",
        R"({"resources":{"cpus":"2"}})",
        R"({"resources":{"mem":-1}})",
        R"({"resources":{"gpus":4294967296}})",
        R"({"workers":{"min":-1}})",
        R"({"workers":2})",
        R"({"data":{}})",
        R"({"data":["x"]})",
        R"({"parameters":{}})",
        R"({"parameters":[{"name":1}]})",
        R"({"parameters":[{"name":"a","choices":1}]})",
        R"({"parameters":[{"name":"a","range":{"min":1,"max":2,"scale":"lg"}}]})",
        R"({"parameters":[{"name":"a","range":{"min":1,"max":2,"count":1.5}}]})",
        R"({"pending_ms":"1s"})",
        R"({"retry":{"count":-1}})",
        R"({"watchdog":{"patience_ms":1,"action":"pray"}})",
        R"({"priority":99999999999})",
        R"({"env":{"A":1}})",
        R"({"env":[]})",
        R"({"after":["x"]})",
        R"({"after":"41"})",
        R"({"seed":1})",
        R"({"seed":"abc"})",
        R"({"seed":"-1"})",
        R"({"seed":""})",
        R"({"seed":"18446744073709551616"})",
        R"({"seed":"1x"})"}) {
    auto spec = experiment_spec_from(*parse_json(text));
    ASSERT_FALSE(spec) << text;
    EXPECT_EQ(spec.error().code, Errc::invalid);
  }
  for (const char* text :
       {R"([])", R"({"strategy":1})", R"({"trials":-1})", R"({"trials":1.5})",
        R"({"metric":"accuracy"})", R"({"metric":7})", R"({"on_stop":"never"})", R"({"points":{}})",
        R"({"points":[1]})", R"({"concurrency":-1})", R"({"max_failures":-1})"}) {
    auto sweep = sweep_spec_from(*parse_json(text));
    ASSERT_FALSE(sweep) << text;
  }
}

TEST(Concurrency, IsANumberOrARange) {
  auto read = [](const Value& value) {
    SweepSpec sweep;
    auto done = read_concurrency(value, sweep);
    EXPECT_TRUE(done) << json_text(value);
    EXPECT_EQ(sweep_spec_from(to_value(sweep)).value(), sweep);
    return sweep;
  };
  EXPECT_EQ(read(Value{8}).concurrency, 8u);
  EXPECT_FALSE(read(Value{8}).concurrency_sure);
  EXPECT_EQ(read(Value{"2..8"}).concurrency, 8u);
  EXPECT_EQ(read(Value{"2..8"}).concurrency_sure, 2u);
  EXPECT_EQ(concurrency_value(read(Value{"2..8"})), Value{"2..8"});
  EXPECT_EQ(concurrency_value(read(Value{"4..4"})), Value{4});
  EXPECT_TRUE(concurrency_value(read(Value{})).is_null());
  for (const char* bad : {"8..2", "0..4", "..", "2..", "..8", "a..b", "2..8..9", "-1..4", "1.5..4",
                          "2 .. 8", "4294967296..4294967297", "2", ""}) {
    SweepSpec sweep;
    auto done = read_concurrency(Value{bad}, sweep);
    ASSERT_FALSE(done) << bad;
    EXPECT_EQ(done.error().code, Errc::invalid);
    EXPECT_NE(done.error().what.find(bad), std::string::npos);
    EXPECT_FALSE(sweep.concurrency);
  }
  SweepSpec sweep;
  EXPECT_FALSE(read_concurrency(Value{1.5}, sweep));
}

TEST(Metric, NeedsAGoalAndAName) {
  for (const char* text : {"max.accuracy", "min.loss", "max.val.accuracy"})
    EXPECT_EQ(to_string(*parse_metric(text)), text);
  for (const char* text : {"", "accuracy", "max", "max.", ".accuracy", "avg.loss", "Max.loss"})
    EXPECT_FALSE(parse_metric(text)) << text;
}

TEST(Shell, QuotesOnlyWhereNeeded) {
  EXPECT_EQ(shell_quote("train.py"), "train.py");
  EXPECT_EQ(shell_quote("--lr=1e-3"), "--lr=1e-3");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_quote("~"), "'~'");
  EXPECT_EQ((Command{"", {"echo", "a b", ""}}.to_text()), "echo 'a b' ''");
  EXPECT_EQ((Command{"echo $x", {}}.to_text()), "echo $x");
}

TEST(Shell, QuotedWordsAreOneWordToTheShell) {
  for (const char* word :
       {"a b", "it's", "$HOME", "`x`", "\\", "a\nb", "*", "~", "-n", "é", "a;b"}) {
    auto command = "printf %s " + shell_quote(word);
    auto* pipe = ::popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string text(100, '\0');
    text.resize(::fread(text.data(), 1, text.size(), pipe));
    ::pclose(pipe);
    EXPECT_EQ(text, word);
  }
}

TEST(Parameters, NamesAreChecked) {
  for (const char* name : {"lr", "_x", "batch-size", "a.b", "A1"})
    EXPECT_TRUE(is_parameter_name(name)) << name;
  for (const char* name : {"", "1a", "-a", ".a", "a b", "a=b", "é", "a{"})
    EXPECT_FALSE(is_parameter_name(name)) << name;
  EXPECT_TRUE(is_parameter_name(std::string(100, 'a')));
  EXPECT_FALSE(is_parameter_name(std::string(101, 'a')));
}

std::string fault(Parameter parameter) {
  auto problem = check_parameter(parameter);
  return problem ? problem->field : "";
}
Parameter ranged(Value min, Value max, bool log = false, std::optional<Value> step = {},
                 std::optional<int64_t> count = {}) {
  return {"p", {}, ParameterRange{std::move(min), std::move(max), std::move(step), count, log}};
}

TEST(Parameters, RangesAreChecked) {
  constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(fault(ranged(1, 2)), "");
  EXPECT_EQ(fault(ranged(1, 1)), "");
  EXPECT_EQ(fault(ranged(-1.5, 2)), "");
  EXPECT_EQ(fault(ranged(1e-4, 1, true)), "");
  EXPECT_EQ(fault(ranged(2, 1)), "min");
  EXPECT_EQ(fault(ranged(0, 1, true)), "min");
  EXPECT_EQ(fault(ranged(-1, 1, true)), "min");
  EXPECT_EQ(fault(ranged(nan, 1)), "min");
  EXPECT_EQ(fault(ranged(0, infinity)), "max");
  EXPECT_EQ(fault(ranged("a", 1)), "min");
  EXPECT_EQ(fault(ranged(0, Value{})), "max");
  EXPECT_EQ(fault(ranged(0, 1, false, 0)), "step");
  EXPECT_EQ(fault(ranged(0, 1, false, -0.1)), "step");
  EXPECT_EQ(fault(ranged(0, 1, false, nan)), "step");
  EXPECT_EQ(fault(ranged(1, 2, true, 0.1)), "step");
  EXPECT_EQ(fault(ranged(1, 2, false, {}, 0)), "count");
  EXPECT_EQ(fault(ranged(1, 2, false, 0.1, 3)), "count");
}

TEST(Parameters, ChoicesAreChecked) {
  EXPECT_EQ(fault({"p", {1, 1.0, "1", true, Value{}}, {}}), "");
  EXPECT_EQ(fault({"p", {}, {}}), "choices");
  EXPECT_EQ(fault({"p", {1, 2, 1}, {}}), "choices");
  EXPECT_EQ(fault({"p", {ValueList{1}}, {}}), "choices");
  EXPECT_EQ(fault({"p", {ValueMap{}}, {}}), "choices");
  EXPECT_EQ(fault({"p", {std::numeric_limits<double>::infinity()}, {}}), "choices");
  EXPECT_EQ(fault({"1p", {1}, {}}), "name");
}

}  // namespace
}  // namespace troupe
