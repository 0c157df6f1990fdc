// Specs out of the canonical JSON values that spec_json.cpp writes. What is missing keeps its
// default: an older version did not know it.
#include "runtime/core/spec.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace troupe {

namespace {

/// Reads fields of one map, remembers the first that has the wrong kind.
class Reader {
 public:
  explicit Reader(const Value& value) : value_{value} {
    if (!value.is_map()) fail("the whole", "map");
  }

  void text(std::string_view key, std::string& out) {
    if (const auto* v = get(key)) v->is_string() ? void(out = v->as_string()) : fail(key, "string");
  }
  void boolean(std::string_view key, bool& out) {
    if (const auto* v = get(key)) v->is_bool() ? void(out = v->as_bool()) : fail(key, "bool");
  }
  void number(std::string_view key, double& out) {
    if (const auto* v = get(key)) v->is_number() ? void(out = v->as_number()) : fail(key, "number");
  }
  template <class T>
  void integer(std::string_view key, T& out) {
    const auto* v = get(key);
    if (v == nullptr) return;
    if (!v->is_int()) return fail(key, "integer");
    if (!std::in_range<T>(v->as_int())) return fail(key, "number in its range");
    out = static_cast<T>(v->as_int());
  }
  template <class T>
  void integer(std::string_view key, std::optional<T>& out) {
    T number{};
    if (get(key) == nullptr) return;
    integer(key, number);
    out = number;
  }
  /// 64 random bits do not fit a signed integer: unsigned ones travel as text.
  void unsigned_text(std::string_view key, std::optional<uint64_t>& out) {
    std::string digits;
    if (get(key) == nullptr) return;
    text(key, digits);
    uint64_t number = 0;
    const auto* end = digits.data() + digits.size();
    auto [stop, code] = std::from_chars(digits.data(), end, number);
    if (digits.empty() || code != std::errc{} || stop != end)
      return fail(key, "whole number as a string");
    out = number;
  }
  void duration(std::string_view key, Duration& out) {
    int64_t ms = out.count();
    integer(key, ms);
    out = Duration{ms};
  }
  void texts(std::string_view key, std::map<std::string, std::string>& out) {
    const auto* v = get(key);
    if (v == nullptr) return;
    if (!v->is_map()) return fail(key, "map");
    for (const auto& [name, item] : v->as_map()) {
      if (!item.is_string()) return fail(key, "map of strings");
      out.emplace(name, item.as_string());
    }
  }
  void commands(std::string_view key, std::vector<Command>& out) {
    const auto* v = get(key);
    if (v == nullptr) return;
    if (!v->is_list()) return fail(key, "list");
    for (const auto& item : v->as_list()) {
      Command command;
      if (item.is_string()) {
        command.shell = item.as_string();
      } else if (item.is_list()) {
        for (const auto& word : item.as_list()) {
          if (!word.is_string()) return fail(key, "list of words");
          command.argv.push_back(word.as_string());
        }
      } else {
        return fail(key, "list of commands");
      }
      out.push_back(std::move(command));
    }
  }
  /// The list of that key, empty where there is none.
  const ValueList& list(std::string_view key) {
    static const ValueList none;
    const auto* v = get(key);
    if (v == nullptr) return none;
    if (v->is_list()) return v->as_list();
    fail(key, "list");
    return none;
  }
  const Value* get(std::string_view key) const { return value_.find(key); }
  void fail(std::string_view key, std::string_view kind) {
    if (!error_)
      error_ =
          Error{Errc::invalid, "a spec could not be read",
                fmt::format("{} must be a {}", key, kind), "was it written by a newer version?"};
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Value& value_;
  std::optional<Error> error_;
};

Result<void> read_resources(const Value& value, Resources& out) {
  Reader in{value};
  in.number("cpus", out.cpus);
  in.integer("mem", out.mem);
  in.integer("gpus", out.gpus);
  in.integer("gpu_share", out.gpu_share);
  in.text("gpu_type", out.gpu_type);
  in.integer("gpu_mem", out.gpu_mem);
  in.texts("node_labels", out.node_labels);
  in.integer("shm", out.shm);
  in.integer("max_processes", out.max_processes);
  std::string binding;
  in.text("binding", binding);
  out.binding = binding_from(binding);
  if (in.error()) return *in.error();
  return ok();
}

Result<Parameter> parameter_from(const Value& value) {
  Parameter parameter;
  Reader in{value};
  in.text("name", parameter.name);
  if (const auto* range = in.get("range")) {
    ParameterRange r;
    Reader fields{*range};
    if (const auto* v = fields.get("min")) r.min = *v;
    if (const auto* v = fields.get("max")) r.max = *v;
    if (const auto* v = fields.get("step")) r.step = *v;
    fields.integer("count", r.count);
    std::string scale;
    fields.text("scale", scale);
    if (!scale.empty() && scale != "log" && scale != "linear")
      fields.fail("scale", "log or linear");
    r.log = scale == "log";
    if (fields.error()) return *fields.error();
    parameter.range = std::move(r);
  } else if (const auto* choices = in.get("choices")) {
    if (!choices->is_list())
      in.fail("choices", "list");
    else
      parameter.choices = choices->as_list();
  }
  in.text("when", parameter.when);
  if (in.error()) return *in.error();
  return parameter;
}

}  // namespace

Result<ExperimentSpec> experiment_spec_from(const Value& value) {
  ExperimentSpec spec;
  Reader in{value};
  in.text("project", spec.project);
  in.text("name", spec.name);
  in.text("task", spec.task);
  in.text("code", spec.code_digest);
  in.text("git", spec.code_git);
  in.commands("setup", spec.setup);
  in.commands("run", spec.run);
  if (const auto* resources = in.get("resources"))
    TROUPE_TRY(read_resources(*resources, spec.resources));
  if (const auto* workers = in.get("workers")) {
    Reader w{*workers};
    w.integer("min", spec.workers.min);
    w.integer("max", spec.workers.max);
    w.integer("processes", spec.workers.processes);
    w.duration("resize_after_ms", spec.workers.resize_after);
    if (w.error()) return *w.error();
  }
  for (const auto& item : in.list("roles")) {
    Role role;
    Reader r{item};
    r.text("name", role.name);
    r.integer("count", role.count);
    r.commands("run", role.run);
    if (r.error()) return *r.error();
    if (const auto* resources = r.get("resources"))
      TROUPE_TRY(read_resources(*resources, role.resources.emplace()));
    spec.roles.push_back(std::move(role));
  }
  for (const auto& item : in.list("launch")) spec.launch.contracts.push_back(item.to_text());
  for (const auto& item : in.list("data")) {
    DataMount mount;
    Reader d{item};
    d.text("source", mount.source);
    d.text("mount", mount.mount);
    d.text("digest", mount.digest);
    d.boolean("writable", mount.writable);
    if (d.error()) return *d.error();
    spec.data.push_back(std::move(mount));
  }
  std::string method;
  in.text("mount_method", method);
  spec.mount_method = mount_method_from(method);
  for (const auto& item : in.list("parameters")) {
    auto parameter = parameter_from(item);
    if (!parameter) return std::move(parameter).error();
    spec.parameters.push_back(std::move(*parameter));
  }
  in.duration("pending_ms", spec.limits.pending);
  in.duration("running_ms", spec.limits.running);
  if (const auto* retry = in.get("retry")) {
    Reader r{*retry};
    r.integer("count", spec.retry.count);
    r.duration("backoff_ms", spec.retry.backoff);
    if (r.error()) return *r.error();
  }
  if (const auto* watchdog = in.get("watchdog")) {
    Reader w{*watchdog};
    w.duration("patience_ms", spec.watchdog.patience);
    std::string action;
    w.text("action", action);
    if (auto parsed = parse_hang_action(action))
      spec.watchdog.action = *parsed;
    else
      w.fail("action", "report, restart or fail");
    if (w.error()) return *w.error();
  }
  if (const auto* checkpoints = in.get("checkpoints")) {
    Reader c{*checkpoints};
    auto& rule = spec.checkpoints.emplace();
    c.integer("keep_last", rule.keep_last);
    c.integer("keep_best", rule.keep_best);
    c.boolean("shards", rule.shards);
    std::string metric;
    c.text("metric", metric);
    if (!metric.empty()) {
      auto parsed = parse_metric(metric);
      if (!parsed) return std::move(parsed).error();
      rule.metric = std::move(*parsed);
    }
    if (c.error()) return *c.error();
  }
  in.integer("priority", spec.priority);
  in.boolean("preemptible", spec.preemptible);
  in.boolean("exclusive", spec.exclusive);
  in.boolean("receipt", spec.receipt);
  in.texts("env", spec.env);
  in.texts("labels", spec.labels);
  for (const auto& item : in.list("after")) {
    auto id = parse_experiment_id(item.to_text());
    if (!id) return std::move(id).error();
    spec.after.push_back(*id);
  }
  in.unsigned_text("seed", spec.seed);
  if (in.error()) return *in.error();
  return spec;
}

Result<SweepSpec> sweep_spec_from(const Value& value) {
  SweepSpec sweep;
  Reader in{value};
  in.text("strategy", sweep.strategy);
  in.integer("trials", sweep.trials);
  in.unsigned_text("seed", sweep.seed);
  if (const auto* many = in.get("concurrency")) TROUPE_TRY(read_concurrency(*many, sweep));
  std::string metric;
  in.text("metric", metric);
  if (!metric.empty()) TROUPE_TRY(read_objectives(metric, sweep));
  in.text("stop_when", sweep.stop_when);
  in.integer("max_failures", sweep.max_failures);
  std::string on_stop = "kill";
  in.text("on_stop", on_stop);
  if (on_stop != "kill" && on_stop != "finish") in.fail("on_stop", "kill or finish");
  sweep.kill_on_stop = on_stop == "kill";
  if (const auto* early = in.get("early_stop")) sweep.early_stop = *early;
  std::string budget;
  in.text("budget", budget);
  if (!budget.empty()) {
    auto parsed = parse_budget(budget);
    if (!parsed) return std::move(parsed).error();
    sweep.budget = *parsed;
  }
  for (const auto& point : in.list("points")) {
    if (!point.is_map()) {
      in.fail("points", "list of maps");
      break;
    }
    sweep.points.emplace_back(point.as_map().begin(), point.as_map().end());
  }
  for (const auto& point : in.list("enqueue")) {
    if (!point.is_map()) {
      in.fail("enqueue", "list of maps");
      break;
    }
    sweep.enqueue.emplace_back(point.as_map().begin(), point.as_map().end());
  }
  in.integer("from", sweep.from);
  in.boolean("ask", sweep.ask);
  for (const auto& text : in.list("constraints")) {
    if (!text.is_string()) {
      in.fail("constraints", "list of texts");
      break;
    }
    sweep.constraints.push_back(text.as_string());
  }
  for (const auto& values : in.list("forbidden")) {
    if (!values.is_map()) {
      in.fail("forbidden", "list of maps");
      break;
    }
    sweep.forbidden.emplace_back(values.as_map().begin(), values.as_map().end());
  }
  if (in.error()) return *in.error();
  return sweep;
}

}  // namespace troupe
