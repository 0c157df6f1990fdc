// run, sweep, rerun, init: what makes something new.
#include "client/cli/commands.hpp"
#include "client/cli/follow.hpp"
#include "client/cli/project.hpp"
#include "client/cpp/code_tree.hpp"
#include "hpo/searcher.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace troupe::cli {

namespace {

/// Prints the id and, unless detached, follows.
int after_submit(Session& session, const Value& submitted, uint64_t after_event, bool asked) {
  auto& out = session.out();
  auto id = parse_experiment_id(text_of(submitted, "id"));
  if (!id) return session.fail(id.error());
  if (out.wants_json())
    out.json(submitted);
  else
    out.line(to_string(*id));
  const auto* repeated = submitted.find("repeated");
  if (repeated != nullptr && repeated->is_bool() && repeated->as_bool() && !out.quiet())
    out.talk("this key was used before: this is the earlier one");
  if (session.arguments().has("detach") || asked) return 0;
  FollowOptions options;
  options.after_event = after_event;
  options.way_back = fmt::format("troupe logs -f {}", to_string(*id));
  options.logs = !out.quiet();
  auto code = follow(session, {*id}, options);
  if (code == 130 || out.quiet() || out.wants_json() || text_of(submitted, "kind") != "set")
    return code;
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto set = (*head)->show(*id);
  if (!set) return session.fail(set.error());
  const auto* best = set->find("best");
  if (best != nullptr && !text_of(*best, "id").empty())
    out.talk(fmt::format("best: {} with {} = {}", text_of(*best, "id"),
                         text_of(*set, "metric").substr(0, text_of(*set, "metric").find(", ")),
                         text_of(*best, "value")));
  out.talk(fmt::format("all members: troupe show {}", to_string(*id)));
  return code;
}

/// Of each parameter whose steps do not reach its upper end: where they end.
void announce_ends(Output& out, const std::vector<Parameter>& parameters) {
  for (const auto& parameter : parameters) {
    auto axis = hpo::Axis::make(parameter);
    if (!axis || !parameter.range || !parameter.range->step) continue;
    auto last = axis->at(*axis->points() - 1);
    if (last.as_number() != parameter.range->max.as_number())
      out.talk(fmt::format("{} ends at {}, its last step below {}", parameter.name, last.to_text(),
                           parameter.range->max.to_text()));
  }
}

/// Of each parameter whose condition seems to hold nowhere: mostly a value in it is misspelt.
void announce_idle(Output& out, const Submission& submission) {
  const auto& sweep = *submission.sweep;
  auto space =
      hpo::Space::make(submission.experiment.parameters, {sweep.constraints, sweep.forbidden});
  if (!space || !space->rules().has_conditions()) return;
  std::map<std::string, std::string> idle;
  for (const auto& one : submission.experiment.parameters)
    if (!one.when.empty()) idle.emplace(one.name, one.when);
  constexpr uint64_t tries = 1000;
  for (uint64_t i = 0; i < tries && !idle.empty(); ++i) {
    auto point = space->draw([&](size_t axis) { return hpo::Draws{1, i, axis}; });
    for (const auto& [name, value] : point.value_or(hpo::Point{})) idle.erase(name);
  }
  for (const auto& [name, when] : idle)
    out.talk(fmt::format("{} has a value in none of {} random points: it is active when {}", name,
                         tries, when));
}

/// Says how large a set will be while nothing of it exists yet.
Result<void> announce(Session& session, const Submission& submission) {
  if (!submission.sweep) return ok();
  auto plan = hpo::plan_search(submission.experiment.parameters, *submission.sweep);
  if (!plan) return std::move(plan).error();
  const auto size = plan->members;
  const auto& picked = plan->picked;
  auto& out = session.out();
  if (out.quiet() || out.wants_json()) return ok();
  out.talk(
      fmt::format("{} {}, {}", size, size == 1 ? "member" : "members", submission.sweep->strategy));
  if (!picked.strategy.empty())
    out.talk(fmt::format("auto is {} here: {}", picked.strategy, picked.reason));
  const auto& parameters = submission.experiment.parameters;
  announce_ends(out, parameters);
  announce_idle(out, submission);
  bool one_value = std::all_of(parameters.begin(), parameters.end(),
                               [](const Parameter& parameter) { return parameter.is_constant(); });
  if (size == 1 && one_value && submission.sweep->points.empty())
    out.talk(fmt::format("each parameter has one value; to search: --param {}=1,2,3 or 0.0..1.0",
                         parameters.empty() ? "NAME" : parameters.front().name));
  return ok();
}

int submit(Session& session, config::Purpose purpose) {
  auto wanted = read_wanted(session, purpose);
  if (!wanted) return session.fail(wanted.error());
  auto& out = session.out();
  for (const auto& warning : wanted->file.warnings)
    if (!out.quiet()) out.talk("warning: " + warning);
  auto& submission = wanted->file.submission;
  if (purpose == config::Purpose::run && session.arguments().has("print-env"))
    return print_env(session, submission.experiment);
  submission.key = session.arguments().get("key");
  if (auto announced = announce(session, submission); !announced)
    return session.fail(announced.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  const bool asked = submission.sweep && submission.sweep->ask;
  if (!session.arguments().has("no-code") && !asked) {
    auto digest = sync_code(session, wanted->root);
    if (!digest) return session.fail(digest.error());
    submission.experiment.code_digest = *digest;
    submission.experiment.code_git = client::git_state(wanted->root);
  }
  uint64_t after_event = 0;
  if (!session.arguments().has("detach")) {
    auto last = (*head)->last_event();
    if (!last) return session.fail(last.error());
    after_event = *last;
  }
  auto submitted = (*head)->submit(submission);
  if (!submitted) return session.fail(submitted.error());
  return after_submit(session, *submitted, after_event, asked);
}

/// The options of `rerun` in the form of a submission, only those that were given.
Result<ValueMap> rerun_options(Session& session, const Value& original, ValueMap& params) {
  const auto& arguments = session.arguments();
  config::Request request;
  request.purpose = config::Purpose::run;
  request.default_project = text_of(original, "project");
  auto given_options = override_options(arguments, false);
  if (!given_options) return std::move(given_options).error();
  request.options = std::move(*given_options);
  Command command{"", {"true"}};
  for (const auto& [name, value] : request.options)
    if (name == "param") command.argv.push_back("{{" + value.substr(0, value.find('=')) + "}}");
  request.command = command;
  auto read = config::without_project_file(request);
  if (!read) return std::move(read).error();
  for (const auto& parameter : read->submission.experiment.parameters)
    params.emplace(parameter.name, parameter.choices.at(0));
  const Value given = client::submission_value(read->submission);
  ValueMap changes;
  auto whole = [&](const char* option, const char* key) {
    if (const auto* value = given.find(key); arguments.has(option) && value != nullptr)
      changes[key] = *value;
  };
  auto merged = [&](const char* option, const char* key, const char* field) {
    if (!arguments.has(option)) return;
    if (changes.find(key) == changes.end()) changes[key] = map_of(original, key);
    auto& target = changes[key].as_map();
    for (const auto& [name, value] : map_of(given, key))
      if (*field == '\0' || name == field) target[name] = value;
  };
  whole("name", "name");
  whole("project", "project");
  whole("data", "data");
  whole("launch", "launch");
  if (arguments.has("mount-method")) {
    const auto& method = read->submission.experiment.mount_method;
    changes["mount_method"] = std::string{method ? to_string(*method) : any_mount_method};
  }
  whole("setup", "setup");
  whole("priority", "priority");
  if (arguments.has("preemptible"))
    changes["preemptible"] = read->submission.experiment.preemptible;
  if (arguments.has("exclusive")) changes["exclusive"] = read->submission.experiment.exclusive;
  if (arguments.has("receipt")) changes["receipt"] = read->submission.experiment.receipt;
  whole("after", "after");
  whole("seed", "seed");
  merged("cpus", "resources", "cpus");
  merged("mem", "resources", "mem");
  merged("gpus", "resources", "gpus");
  merged("gpus", "resources", "gpu_share");
  merged("gpu-type", "resources", "gpu_type");
  merged("gpu-mem", "resources", "gpu_mem");
  merged("node-label", "resources", "node_labels");
  merged("max-processes", "resources", "max_processes");
  merged("binding", "resources", "binding");
  merged("retries", "retry", "count");
  merged("watchdog", "watchdog", "patience");
  merged("watchdog-action", "watchdog", "action");
  merged("max-time", "limits", "running");
  merged("env", "env", "");
  merged("label", "labels", "");
  if (arguments.has("workers") || arguments.has("processes")) {
    Value workers = map_of(given, "workers");
    if (!arguments.has("processes")) workers.as_map()["processes"] = int_of(original, "processes");
    const auto* before = original.find("workers");
    if (const auto* after = before == nullptr ? nullptr : before->find("resize_after"))
      workers.as_map()["resize_after"] = *after;
    if (const auto* count = before == nullptr ? nullptr : before->find("count")) before = count;
    if (!arguments.has("workers") && before != nullptr) {
      workers.as_map().erase("min");
      workers.as_map().erase("max");
      workers.as_map()["count"] = *before;
    }
    changes["workers"] = workers;
  }
  return changes;
}

/// Whether what the ledger has of a search follows from its order.
int replay(Session& session, const std::string& which) {
  auto id = session.select_one(which);
  if (!id) return session.fail(id.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto answer = (*head)->replay(*id);
  if (!answer) return session.fail(answer.error());
  auto& out = session.out();
  const auto differences = int_of(*answer, "differences");
  if (out.wants_json()) {
    out.json(*answer);
  } else {
    out.line(fmt::format("{} ({}): {} points and {} reports derived again, {} of them differ",
                         to_string(*id), text_of(*answer, "strategy"),
                         int_of(*answer, "suggestions"), int_of(*answer, "reports"), differences));
    for (const auto& line : list_of(*answer, "first"))
      out.line(fmt::format("  {}", safe_text(line.to_text())));
  }
  return differences == 0 ? 0 : 1;
}

}  // namespace

int run_verb(Session& session) {
  return submit(session, config::Purpose::run);
}

int sweep_verb(Session& session) {
  if (auto set = session.arguments().get("replay"); !set.empty()) return replay(session, set);
  return submit(session, config::Purpose::sweep);
}

int rerun_verb(Session& session) {
  auto id = session.select_one(session.arguments().arguments[0]);
  if (!id) return session.fail(id.error());
  auto head = session.head();
  if (!head) return session.fail(head.error());
  auto original = (*head)->show(*id);
  if (!original) return session.fail(original.error());
  ValueMap params;
  auto options = rerun_options(session, *original, params);
  if (!options) return session.fail(options.error());
  auto last = (*head)->last_event();
  if (!last) return session.fail(last.error());
  auto submitted = (*head)->rerun(*id, params, *options, session.arguments().get("key"));
  if (!submitted) return session.fail(submitted.error());
  return after_submit(session, *submitted, *last, false);
}

int init_verb(Session& session) {
  const auto& arguments = session.arguments().arguments;
  std::error_code none;
  auto folder = std::filesystem::absolute(arguments.empty() ? "." : arguments[0], none)
                    .lexically_normal()
                    .string();
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  auto file = fmt::format("{}/{}", folder, config::project_file_name);
  if (std::filesystem::exists(file, none))
    return session.fail({Errc::conflict, fmt::format("{} is there already", file), "",
                         "edit it, or choose another folder"});
  if (auto made = make_dirs(folder); !made) return session.fail(made.error());
  auto text = config::starter_project_file(config::project_name_of(folder));
  if (auto written = replace_file(file, text, 0644, false); !written)
    return session.fail(written.error());
  auto& out = session.out();
  if (out.wants_json()) {
    out.json(ValueMap{{"file", file}});
  } else {
    out.line(file);
    if (!out.quiet()) out.talk("next: troupe run, or troupe sweep");
  }
  return 0;
}

}  // namespace troupe::cli
