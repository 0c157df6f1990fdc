// What is asked for, checked, as core types.
#include "client/api/convert.hpp"
#include "client/api/json_text.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/suggest.hpp"

#include <capnp/message.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace troupe::api {

namespace {

Error bad(std::string detail, std::string hint) {
  return {Errc::invalid, "the submission was refused", std::move(detail), std::move(hint)};
}

/// The first refusal wins; later steps are skipped by their callers.
class Checks {
 public:
  void fail(std::string detail, std::string hint) {
    if (!error_) error_ = bad(std::move(detail), std::move(hint));
  }
  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }
  /// Text that goes to a process or a file name cannot hold a zero byte.
  std::string text(capnp::Text::Reader in, std::string_view field) {
    auto out = from_text(in);
    if (out.find('\0') != std::string::npos)
      fail(fmt::format("{} holds a zero byte", field), "remove it");
    return out;
  }
  std::optional<uint64_t> count(bool given, int64_t value, std::string_view field,
                                uint64_t max = INT64_MAX) {
    if (!given) return std::nullopt;
    if (value < 0 || static_cast<uint64_t>(value) > max)
      fail(fmt::format("{} is {}", field, value), fmt::format("from 0 to {}", max));
    return static_cast<uint64_t>(value);
  }
  template <class T>
  T take(Result<T> result) {
    if (result) return std::move(*result);
    fail(std::move(result).error());
    return T{};
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> error_;
};

Duration duration(wire::Span::Reader span, std::string_view field, Checks& checks) {
  constexpr uint64_t year_ms = 366ull * 24 * 3600 * 1000;
  if (span.getMs() > 100 * year_ms)
    checks.fail(fmt::format("{} is longer than 100 years", field), "leave it out for no limit");
  return Duration{static_cast<int64_t>(std::min(span.getMs(), 100 * year_ms))};
}

std::vector<Command> commands(wire::Commands::Reader in, std::string_view field, Checks& checks) {
  std::vector<Command> out;
  for (auto command : in.getList()) {
    Command one;
    if (command.isShell())
      one.shell = checks.text(command.getShell(), field);
    else
      for (auto word : command.getArgv()) one.argv.push_back(checks.text(word, field));
    if (one.empty() || (!one.argv.empty() && one.argv[0].empty()))
      checks.fail(fmt::format("{} holds an empty command", field),
                  "write a command or leave it out");
    out.push_back(std::move(one));
  }
  return out;
}

std::map<std::string, std::string> texts(wire::Texts::Reader in, std::string_view field,
                                         Checks& checks) {
  std::map<std::string, std::string> out;
  for (auto entry : in.getEntries()) {
    auto name = checks.text(entry.getName(), field);
    if (name.empty() || name.find('=') != std::string::npos)
      checks.fail(fmt::format("{} holds the name \"{}\"", field, name),
                  "names are not empty and hold no '='");
    out.insert_or_assign(std::move(name), checks.text(entry.getValue(), field));
  }
  return out;
}

Parameter parameter(wire::Parameter::Reader in, Checks& checks) {
  Parameter out;
  out.name = from_text(in.getName());
  auto given = int{in.hasValue()} + int{in.hasChoices()} + int{in.hasRange()};
  if (given != 1)
    checks.fail(fmt::format("parameter \"{}\" has {} of value, choices and range", out.name, given),
                "give exactly one");
  out.when = checks.text(in.getWhen(), "when");
  if (in.hasValue()) out.choices.push_back(checks.take(value_from(in.getValue())));
  for (auto choice : in.getChoices()) out.choices.push_back(checks.take(value_from(choice)));
  if (in.hasRange()) {
    auto range = in.getRange();
    ParameterRange r;
    r.min = checks.take(value_from(range.getMin()));
    r.max = checks.take(value_from(range.getMax()));
    if (range.hasStep()) r.step = checks.take(value_from(range.getStep()));
    if (range.hasCount()) r.count = range.getCount().getValue();
    auto scale = from_text(range.getScale());
    if (scale != "" && scale != "log" && scale != "linear")
      checks.fail(fmt::format("parameter \"{}\": unknown scale \"{}\"", out.name, scale),
                  suggestion(scale, {"linear", "log"}));
    r.log = scale == "log";
    out.range = std::move(r);
  }
  if (auto problem = check_parameter(out))
    checks.fail(fmt::format("parameter \"{}\", {}: {}", out.name, problem->field, problem->message),
                problem->hint);
  return out;
}

void parameters(wire::Submission::Reader in, ExperimentSpec& out, Checks& checks) {
  for (auto& [name, value] : checks.take(values_from(in.getParams()))) {
    Parameter constant{name, {value}, std::nullopt};
    if (auto problem = check_parameter(constant))
      checks.fail(fmt::format("parameter \"{}\": {}", name, problem->message), problem->hint);
    out.parameters.push_back(std::move(constant));
  }
  for (auto item : in.getParameters()) out.parameters.push_back(parameter(item, checks));
  if (out.parameters.size() > limits::parameters_max)
    checks.fail(fmt::format("{} parameters", out.parameters.size()),
                fmt::format("at most {}", limits::parameters_max));
  std::set<std::string_view> names;
  for (const auto& p : out.parameters)
    if (!names.insert(p.name).second)
      checks.fail(fmt::format("parameter \"{}\" is given twice", p.name), "give it once");
}

Resources resources(wire::Resources::Reader r, const std::string& path, Checks& checks) {
  Resources to;
  to.cpus = r.getCpus();
  to.mem = r.getMem().getBytes();
  to.gpus = r.getGpus();
  to.gpu_type = checks.text(r.getGpuType(), "gpu_type");
  to.gpu_mem = r.getGpuMem().getBytes();
  to.shm = r.getShm().getBytes();
  to.max_processes = r.getMaxProcesses();
  if (auto text = from_text(r.getBinding()); !text.empty() && text != any_binding) {
    to.binding = binding_from(text);
    if (!to.binding)
      checks.fail(fmt::format("{}.binding is \"{}\"", path, text),
                  fmt::format("one of {}", binding_names()));
  }
  to.node_labels = texts(r.getNodeLabels(), "node_labels", checks);
  auto share = r.getGpuShare();
  if (!(share >= 0.001 && share <= 1))
    checks.fail(fmt::format("{}.gpu_share is {}", path, share), "from 0.001 to 1");
  else
    to.gpu_share = static_cast<uint32_t>(std::lround(share * 1000));
  if (!std::isfinite(r.getCpus()) || r.getCpus() < 0 || r.getCpus() > 1e6)
    checks.fail(fmt::format("{}.cpus is {}", path, r.getCpus()), "a number of cores, 0.5 or 4");
  return to;
}

void workers(wire::Submission::Reader in, ExperimentSpec& out, Checks& checks) {
  auto w = in.getWorkers();
  constexpr uint64_t year_ms = 366ull * 24 * 3600 * 1000;
  out.workers = {w.getMin(), w.getMax(), w.getProcesses(),
                 Duration{static_cast<int64_t>(std::min(w.getResizeAfterMs(), year_ms))}};
  if (w.getMin() < 1 || w.getMin() > w.getMax() || w.getMax() > limits::workers_max)
    checks.fail(fmt::format("workers are {}..{}", w.getMin(), w.getMax()),
                fmt::format("from 1 to {}, the lower bound first", limits::workers_max));
  if (w.getProcesses() > limits::processes_max)
    checks.fail(fmt::format("{} processes per worker", w.getProcesses()),
                fmt::format("at most {}", limits::processes_max));
}

ExperimentSpec experiment(wire::Submission::Reader in, Checks& checks) {
  ExperimentSpec out;
  out.project = checks.text(in.getProject(), "project");
  if (out.project.empty() || out.project.size() > 200)
    checks.fail("no project, or one of more than 200 bytes", "give \"project\": \"NAME\"");
  out.name = checks.text(in.getName(), "name");
  out.task = checks.text(in.getTask(), "task");
  out.setup = commands(in.getSetup(), "setup", checks);
  out.run = commands(in.getRun(), "run", checks);
  if (out.run.empty() && !in.getSweep().getAsk())
    checks.fail("nothing to run", "give \"run\": \"COMMAND\"");
  out.resources = resources(in.getResources(), "resources", checks);
  workers(in, out, checks);
  for (auto one : in.getRoles()) {
    Role role{checks.text(one.getName(), "roles"), one.getCount(), {}};
    if (one.hasRun()) role.run = commands(one.getRun(), "roles", checks);
    if (one.hasResources())
      role.resources = resources(one.getResources(), "roles." + role.name + ".resources", checks);
    out.roles.push_back(std::move(role));
  }
  for (auto name : in.getLaunch().getContracts())
    out.launch.contracts.push_back(checks.text(name, "launch.contracts"));
  out.count_workers();
  for (auto mount : in.getData()) {
    out.data.push_back({checks.text(mount.getSource(), "data"),
                        checks.text(mount.getMount(), "data"),
                        {},
                        mount.getWritable()});
    if (out.data.back().source.empty())
      checks.fail("data holds an entry without source", "write \"NAME:VERSION\" or \"ID/out\"");
  }
  if (auto text = from_text(in.getMountMethod()); !text.empty() && text != any_mount_method) {
    out.mount_method = mount_method_from(text);
    if (!out.mount_method)
      checks.fail(fmt::format("mount_method is \"{}\"", text),
                  fmt::format("one of {}", mount_method_names()));
  }
  parameters(in, out, checks);
  out.limits = {duration(in.getLimits().getPending(), "limits.pending", checks),
                duration(in.getLimits().getRunning(), "limits.running", checks)};
  out.retry = {in.getRetry().getCount(),
               duration(in.getRetry().getBackoff(), "retry.backoff", checks)};
  out.watchdog.patience = duration(in.getWatchdog().getPatience(), "watchdog.patience", checks);
  if (auto text = from_text(in.getWatchdog().getAction()); !text.empty()) {
    auto action = parse_hang_action(text);
    if (action)
      out.watchdog.action = *action;
    else
      checks.fail(fmt::format("watchdog.action is \"{}\"", text), "report, restart or fail");
  }
  if (in.hasCheckpoints()) {
    auto rule = in.getCheckpoints();
    auto& to = out.checkpoints.emplace();
    to.keep_last = rule.getKeepLast();
    to.keep_best = rule.getKeepBest();
    to.shards = rule.getShards();
    if (auto text = from_text(rule.getMetric()); !text.empty())
      to.metric = checks.take(parse_metric(text));
  }
  out.priority = in.getPriority();
  if (out.priority < 0 || out.priority > 100)
    checks.fail(fmt::format("priority is {}", out.priority), "from 0 to 100, higher first");
  out.preemptible = in.getPreemptible();
  out.exclusive = in.getExclusive();
  out.receipt = in.getReceipt();
  out.env = texts(in.getEnv(), "env", checks);
  out.labels = texts(in.getLabels(), "labels", checks);
  for (auto id : in.getAfter())
    out.after.push_back(checks.take(parse_experiment_id(from_text(id))));
  out.code_digest = checks.text(in.getCode().getDigest(), "code.digest");
  out.code_git = checks.text(in.getCode().getGit(), "code.git");
  if (in.hasSeed()) out.seed = in.getSeed().getValue();
  return out;
}

SweepSpec sweep(wire::Sweep::Reader in, Checks& checks) {
  SweepSpec out;
  if (in.hasStrategy()) out.strategy = from_text(in.getStrategy());
  out.trials =
      checks.count(in.hasTrials(), in.getTrials().getValue(), "trials", limits::set_members_max);
  if (in.hasSeed()) out.seed = in.getSeed().getValue();
  if (auto many = in.getConcurrency(); in.hasConcurrency()) {
    auto value = many.getSure() == 0 ? Value{many.getMost()}
                                     : Value{fmt::format("{}..{}", many.getSure(), many.getMost())};
    if (auto read = read_concurrency(value, out); !read)
      checks.fail(read.error().what + ": " + read.error().detail, read.error().hint);
  }
  if (auto metric = from_text(in.getMetric()); !metric.empty())
    if (auto read = read_objectives(metric, out); !read)
      checks.fail(read.error().what, read.error().hint);
  out.stop_when = checks.text(in.getStopWhen(), "stop_when");
  if (auto n = checks.count(in.hasMaxFailures(), in.getMaxFailures().getValue(), "max_failures",
                            UINT32_MAX))
    out.max_failures = static_cast<uint32_t>(*n);
  auto on_stop = from_text(in.getOnStop());
  if (on_stop != "" && on_stop != "kill" && on_stop != "finish")
    checks.fail(fmt::format("sweep.on_stop is \"{}\"", on_stop),
                suggestion(on_stop, {"kill", "finish"}));
  out.kill_on_stop = on_stop != "finish";
  if (in.hasEarlyStop()) out.early_stop = checks.take(values_from(in.getEarlyStop()));
  if (auto text = from_text(in.getBudget()); !text.empty()) {
    if (auto budget = parse_budget(text))
      out.budget = *budget;
    else
      checks.fail(budget.error().what, budget.error().hint);
  }
  for (auto point : in.getPoints()) {
    auto values = checks.take(values_from(point));
    out.points.emplace_back(values.begin(), values.end());
  }
  for (auto point : in.getEnqueue()) {
    auto values = checks.take(values_from(point));
    out.enqueue.emplace_back(values.begin(), values.end());
  }
  out.ask = in.getAsk();
  for (auto text : in.getConstraints()) out.constraints.push_back(from_text(text));
  for (auto values : in.getForbidden()) {
    auto forbidden = checks.take(values_from(values));
    out.forbidden.emplace_back(forbidden.begin(), forbidden.end());
  }
  if (in.hasFrom()) {
    auto from = in.getFrom().getValue();
    if (from < 1)
      checks.fail(fmt::format("sweep.from is {}", from), "name an earlier set, such as 41");
    else
      out.from = static_cast<uint64_t>(from);
  }
  return out;
}

}  // namespace

Result<Submission> submission_from(wire::Submission::Reader in) {
  Checks checks;
  Submission out;
  out.experiment = experiment(in, checks);
  if (in.hasSweep()) out.sweep = sweep(in.getSweep(), checks);
  out.key = checks.text(in.getKey(), "key");
  if (out.key.size() > 200)
    checks.fail("the idempotency key is longer than 200 bytes", "use a UUID");
  if (in.totalSize().wordCount * sizeof(capnp::word) > 2 * limits::spec_bytes_max)
    checks.fail("the submission is too large",
                fmt::format("at most {} bytes as JSON", limits::spec_bytes_max));
  if (checks.error()) return *checks.error();
  return out;
}

Result<RerunChanges> rerun_from(wire::RerunRequest::Reader in) {
  RerunChanges out;
  auto params = values_from(in.getParams());
  if (!params) return std::move(params).error();
  out.params = {params->begin(), params->end()};
  out.key = from_text(in.getKey());
  if (!in.hasOptions()) return out;
  auto options = values_from(in.getOptions());
  if (!options) return std::move(options).error();
  // Reading them as a submission finds unknown names and wrong kinds; the values are used as given.
  capnp::MallocMessageBuilder scratch;
  out.options = std::move(*options);
  TROUPE_TRY(read_value(out.options, scratch.initRoot<wire::Submission>()));
  return out;
}

Result<ListQuery> list_query_from(wire::ListRequest::Reader in) {
  ListQuery out;
  if (in.hasProject() && in.getProject().size() != 0) out.project = from_text(in.getProject());
  if (auto state = from_text(in.getState()); !state.empty()) {
    out.state = state_from_string(state);
    if (!out.state)
      return Error{Errc::invalid, "the list cannot be made",
                   fmt::format("unknown state \"{}\"", state.substr(0, 100)),
                   "QUEUED, PREPARING, STARTING, RUNNING, KILLING, FINISHED, FAILED, KILLED, "
                   "SKIPPED, PREEMPTED or RESTARTING"};
  }
  if (auto set = from_text(in.getSet()); !set.empty()) {
    auto id = parse_experiment_id(set);
    if (!id) return std::move(id).error();
    out.set = *id;
  }
  out.live = in.getLive();
  if (in.getLimit() > limits::page_max)
    return Error{Errc::invalid, "the list cannot be made",
                 fmt::format("limit is {}", in.getLimit()),
                 fmt::format("at most {}; go on with page_token", limits::page_max)};
  out.limit = in.getLimit() == 0 ? static_cast<uint32_t>(limits::page_default) : in.getLimit();
  out.page_token = from_text(in.getPageToken());
  return out;
}

}  // namespace troupe::api
