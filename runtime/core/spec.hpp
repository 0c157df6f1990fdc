// What somebody asks for: one experiment, or a set of them. Plain data, made by the project file,
// the command line or the API, checked once, stored as it was given and never changed afterwards.
#pragma once

#include "runtime/core/binding.hpp"
#include "runtime/core/budget.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/mount_method.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/core/value.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// A line for /bin/sh, or an argument vector that no shell sees. Exactly one of them is not empty.
struct Command {
  std::string shell;
  std::vector<std::string> argv;

  bool empty() const { return shell.empty() && argv.empty(); }
  /// As a person would type it.
  std::string to_text() const;
  bool operator==(const Command&) const = default;
};

/// One text as one word for a POSIX shell: unchanged where nothing in it is special, else in single
/// quotes.
std::string shell_quote(std::string_view word);

/// For each worker. Zero means: not asked for.
struct Resources {
  double cpus = 1;
  uint64_t mem = 0;  // bytes
  uint32_t gpus = 0;
  uint32_t gpu_share = 1000;  // of its GPU, in thousandths; below 1000 others share it
  std::string gpu_type;
  uint64_t gpu_mem = 0;            // bytes that each GPU has at least
  uint64_t shm = 0;                // bytes
  uint64_t max_processes = 0;      // and threads at a time; 0: what its machine gives
  std::optional<Binding> binding;  // none: as the node does
  std::map<std::string, std::string> node_labels;  // that the nodes must have
  bool operator==(const Resources&) const = default;
};

/// How many workers (jobs, each on one node), and how many processes each starts.
struct Workers {
  uint32_t min = 1;
  uint32_t max = 1;
  uint32_t processes = 0;  // 0: one per GPU, one where there are none
  /// Of a range: it is started anew with more workers, or fewer, when it has just written a
  /// checkpoint, and not before it has run so long.
  Duration resize_after{600'000};
  bool operator==(const Workers&) const = default;
};

/// What its processes find beside what every job finds: names that libraries take for another
/// launcher's, so only where they are asked for.
struct Launch {
  std::vector<std::string> contracts;  // of launch_contracts
  bool operator==(const Launch&) const = default;
};
inline constexpr std::array<std::string_view, 5> launch_contracts{"slurm", "jax", "pmi1", "pmix",
                                                                  "local_rank"};

/// Some of its workers, for frameworks that tell them apart. The workers are those of all roles, in
/// their order.
struct Role {
  std::string name;  // "chief", "worker", "ps", "evaluator"
  uint32_t count = 1;
  std::vector<Command> run;              // instead of the experiment's; empty: that
  std::optional<Resources> resources{};  // instead of the experiment's, all of them; none: those
  bool operator==(const Role&) const = default;
};
inline constexpr std::array<std::string_view, 4> role_names{"chief", "worker", "ps", "evaluator"};

struct DataMount {
  std::string source;     // "digits:3", or an output: "41/out"
  std::string mount;      // name below the data root; empty: the source's own name
  std::string digest{};   // of the version, filled in when it is accepted
  bool writable = false;  // what is written is the job's own, and gone with it
  bool operator==(const DataMount&) const = default;
};

struct Limits {
  Duration pending{0};  // 0: none
  Duration running{0};
  bool operator==(const Limits&) const = default;
};

struct Retry {
  uint32_t count = 0;
  Duration backoff{0};
  bool operator==(const Retry&) const = default;
};

/// What is done where an attempt stands still: no rank, or one that should, makes progress.
enum class HangAction : uint8_t { report, restart, fail };
std::string_view to_string(HangAction action);
std::optional<HangAction> parse_hang_action(std::string_view text);

struct Watchdog {
  Duration patience{0};  // without progress; 0: nobody watches
  HangAction action = HangAction::report;
  bool operator==(const Watchdog&) const = default;
};

struct Metric {
  bool maximize = true;
  std::string name;
  bool operator==(const Metric&) const = default;
};
/// "max.accuracy", "min.loss".
Result<Metric> parse_metric(std::string_view text);
std::string to_string(const Metric& metric);

/// Which checkpoints are kept.
struct CheckpointRule {
  uint32_t keep_last = 2;  // 0: the head keeps none
  uint32_t keep_best = 1;  // beside them, by `metric`
  std::optional<Metric> metric;
  /// Every node of a gang writes its part of each; it counts once all have put theirs in place.
  bool shards = false;
  bool operator==(const CheckpointRule&) const = default;
};

/// min, max and step are ints or floats as written; the range is of ints where all that are given
/// are ints.
struct ParameterRange {
  Value min;
  Value max;
  std::optional<Value> step;
  std::optional<int64_t> count;  // points of a grid
  bool log = false;
  bool operator==(const ParameterRange&) const = default;
};

struct Parameter {
  std::string name;
  std::vector<Value> choices;  // one choice = a constant; empty where there is a range
  std::optional<ParameterRange> range;
  std::string when{};  // a condition on others, without which it has no value; empty: always

  bool is_constant() const { return !range && choices.size() == 1; }
  bool operator==(const Parameter&) const = default;
};

/// What a placeholder may be called: letters, digits, '_', '-', '.', beginning with a letter or
/// '_'; at most 100.
bool is_parameter_name(std::string_view name);

/// Checks one parameter by itself: bounds in order and finite, log above zero, step above zero and
/// not with log, count at least 1, choices not empty, scalar and without doubles. `field` of the
/// problem says which key is at fault.
struct ParameterProblem {
  std::string field;  // "min", "max", "step", "count", "scale", "choices", "name"
  std::string message;
  std::string hint;
};
std::optional<ParameterProblem> check_parameter(const Parameter& parameter);

struct ExperimentSpec {
  std::string project;
  std::string name;
  std::string task;            // the named variant of the project file, if one was asked for
  std::vector<Command> setup;  // once per job
  std::vector<Command> run;    // phases; all ranks end one before any starts the next
  Resources resources;
  Workers workers;
  std::vector<Role> roles;  // empty: all are workers alike
  Launch launch;
  std::vector<DataMount> data;
  std::optional<MountMethod> mount_method;  // of all its data; none: the best that a node has
  std::vector<Parameter> parameters;
  Limits limits;
  Retry retry;
  Watchdog watchdog;
  /// None: the head keeps as many as CheckpointRule says, and nothing is removed on nodes.
  std::optional<CheckpointRule> checkpoints;
  int32_t priority = 50;    // 0..100, higher first
  bool preemptible = true;  // may be stopped in favour of others, to go on later
  bool exclusive = false;   // never two attempts at once, also where a node is only cut off
  bool receipt = true;      // where it starts on several nodes, what they do together is measured
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> labels;
  std::vector<ExperimentId> after;
  std::string code_digest;  // of the code snapshot; empty: no code
  std::string code_git;     // "<commit>" or "<commit>+dirty", as the client saw it
  std::optional<uint64_t> seed;
  bool operator==(const ExperimentSpec&) const = default;
  /// Where roles say how many workers there are, and nothing else does.
  void count_workers();
  /// The role of the worker with that index; null where all are alike.
  const Role* role_at(uint32_t worker) const;
  /// What that worker gets.
  const Resources& resources_at(uint32_t worker) const;
  /// How many processes that worker starts: one per GPU where nothing is said.
  uint32_t processes_at(uint32_t worker) const;
};

struct SweepSpec {
  std::string strategy = "random";  // grid, list, random, sobol, or one of those that learn
  std::optional<uint64_t> trials;   // required by random over an infinite space
  std::optional<uint64_t> seed;
  std::optional<uint32_t> concurrency;  // none: as many as fit
  /// Of a range: so many have a place of their own. Those beyond run while nobody else waits for
  /// it.
  std::optional<uint32_t> concurrency_sure;
  std::optional<Metric> metric;
  std::vector<Metric> more_metrics;      // further objectives, which only some strategies can have
  std::string stop_when;                 // expression over the last metrics; empty: none
  std::optional<uint32_t> max_failures;  // none: failures never end the set
  bool kill_on_stop = true;              // on_stop: kill | finish
  Value early_stop;                      // null, or the map as given
  std::optional<Budget> budget;          // when it is spent the set ends, and all that runs of it
  std::vector<std::map<std::string, Value>> points;  // strategy list with explicit points
  /// What the first members try, before a strategy that learns says anything; what a point does not
  /// name the strategy adds.
  std::vector<std::map<std::string, Value>> enqueue;
  std::optional<uint64_t> from;  // an earlier set whose members the strategy learns from
  bool ask = false;  // its members are run elsewhere: somebody asks for points and tells results
  std::vector<std::string> constraints;  // conditions that each point keeps
  /// Values that do not go together; of a list any.
  std::vector<std::map<std::string, Value>> forbidden;
  bool operator==(const SweepSpec&) const = default;
};

/// The metric and the further ones: what the sweep is to make best.
std::vector<Metric> objectives(const SweepSpec& sweep);
/// As people write them: "min.loss", or "min.loss, max.accuracy".
std::string objectives_text(const SweepSpec& sweep);
/// The same back; at most 8. What stood in the sweep is replaced.
Result<void> read_objectives(std::string_view text, SweepSpec& sweep);

/// 4, or "2..8": how many run at a time, and, of a range, how many of these at any rate; null: as
/// many as fit.
Result<void> read_concurrency(const Value& value, SweepSpec& sweep);
/// The same back.
Value concurrency_value(const SweepSpec& sweep);

/// One request to run something. With `sweep` it makes a set.
struct Submission {
  ExperimentSpec experiment;
  std::optional<SweepSpec> sweep;
  std::string key;  // idempotency; empty: none
  bool operator==(const Submission&) const = default;
};

/// Canonical JSON form (keys sorted, defaults left out) and back: how specs are stored and travel
/// between actors.
Value to_value(const ExperimentSpec& spec);
Value to_value(const SweepSpec& spec);
Result<ExperimentSpec> experiment_spec_from(const Value& value);
Result<SweepSpec> sweep_spec_from(const Value& value);

}  // namespace troupe
