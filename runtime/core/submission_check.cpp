#include "runtime/core/submission_check.hpp"

#include "runtime/core/dataset.hpp"
#include "runtime/core/exec_size.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/variable.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace troupe {

namespace {

using Problem = std::optional<SubmissionProblem>;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || name.size() > 200 || is_digit(name.front())) return false;
  for (char c : name)
    if (!is_letter(c) && !is_digit(c) && c != '_') return false;
  return true;
}

bool is_label_name(std::string_view name) {
  if (name.empty() || name.size() > 100) return false;
  for (char c : name)
    if (!is_letter(c) && !is_digit(c) && std::string_view{"_-./"}.find(c) == std::string_view::npos)
      return false;
  return true;
}

Problem check_names(const ExperimentSpec& spec) {
  const auto* hint = "use letters, digits, '_', '-' and '.', beginning with a letter or digit";
  if (!is_object_name(spec.project))
    return SubmissionProblem{"project",
                             fmt::format("\"{}\" cannot be a project's name", spec.project), hint};
  if (!spec.name.empty() && !is_object_name(spec.name))
    return SubmissionProblem{"name",
                             fmt::format("\"{}\" cannot be an experiment's name", spec.name), hint};
  return std::nullopt;
}

Problem check_command(const Command& command, const std::string& path) {
  if (command.empty())
    return SubmissionProblem{path, "the command is empty", "write what is to run"};
  if (!command.shell.empty() && !command.argv.empty())
    return SubmissionProblem{path, "the command is both a shell line and a list of words",
                             "keep one of them"};
  if (command.argv.empty() && command.shell.find_first_not_of(" \t\r\n") == std::string::npos)
    return SubmissionProblem{path, "the command is blank", "write what is to run"};
  if (!command.argv.empty() && command.argv.front().empty())
    return SubmissionProblem{path, "the program's name is empty", "write what is to run"};
  bool nul = command.shell.find('\0') != std::string::npos;
  for (const auto& word : command.argv) nul = nul || word.find('\0') != std::string::npos;
  if (nul)
    return SubmissionProblem{path, "the command holds a NUL byte",
                             "no program can be given one: leave it out"};
  return std::nullopt;
}

/// Of a set whose members are run elsewhere.
Problem check_nothing_runs(const ExperimentSpec& spec) {
  const auto* given = !spec.run.empty()     ? "run"
                      : !spec.setup.empty() ? "setup"
                      : !spec.roles.empty() ? "roles"
                      : !spec.data.empty()  ? "data"
                      : !spec.after.empty() ? "after"
                                            : nullptr;
  if (given == nullptr) return std::nullopt;
  return SubmissionProblem{given, "nothing runs in a set whose members are asked for",
                           "leave it out, or ask: true"};
}

Problem check_commands(const ExperimentSpec& spec) {
  if (spec.run.empty())
    return SubmissionProblem{"run", "there is nothing to run",
                             "add run: COMMAND to the file, or -- COMMAND to the command line"};
  for (size_t i = 0; i < spec.run.size(); ++i)
    if (auto problem = check_command(spec.run[i], fmt::format("run[{}]", i))) return problem;
  for (size_t i = 0; i < spec.setup.size(); ++i)
    if (auto problem = check_command(spec.setup[i], fmt::format("setup[{}]", i))) return problem;
  return std::nullopt;
}

Problem check_labels(const std::map<std::string, std::string>& labels, std::string_view section) {
  for (const auto& [name, value] : labels) {
    auto path = fmt::format("{}{}", section, name);
    if (!is_label_name(name))
      return SubmissionProblem{path, fmt::format("\"{}\" cannot be a label's name", name),
                               "use letters, digits, '_', '-', '.' and '/'"};
    if (value.size() > 1000)
      return SubmissionProblem{
          path, fmt::format("the label {} is {} bytes long", name, value.size()), "at most 1000"};
  }
  return std::nullopt;
}

Problem check_resources(const Resources& resources, const std::string& path) {
  if (!std::isfinite(resources.cpus) || resources.cpus <= 0 || resources.cpus > 1e6)
    return SubmissionProblem{path + ".cpus",
                             fmt::format("cpus is {}", shortest_text(resources.cpus)),
                             "give a number above 0; fractions are fine"};
  if (resources.gpus > 1'000'000)
    return SubmissionProblem{path + ".gpus", fmt::format("gpus is {}", resources.gpus),
                             "give the number of GPUs of one worker"};
  if (resources.gpu_share < 1 || resources.gpu_share > 1000)
    return SubmissionProblem{path + ".gpu_share",
                             fmt::format("gpu_share is {} thousandths", resources.gpu_share),
                             "give a part of one GPU, from 0.001 to 1"};
  if (resources.gpu_share < 1000 && resources.gpus != 1)
    return SubmissionProblem{path + ".gpu_share",
                             fmt::format("a part of each of {} gpus is asked for", resources.gpus),
                             "a part is of one GPU: gpus: 0.5"};
  if (resources.mem != 0 && resources.shm > resources.mem)
    return SubmissionProblem{
        path + ".shm",
        fmt::format("shm {} is above mem {}", bytes_text(resources.shm), bytes_text(resources.mem)),
        "shared memory is part of mem: raise mem"};
  if (resources.max_processes > limits::job_processes_max)
    return SubmissionProblem{path + ".max_processes",
                             fmt::format("{} processes are asked for", resources.max_processes),
                             fmt::format("at most {}", limits::job_processes_max)};
  return check_labels(resources.node_labels, path + ".node_labels.");
}

Problem check_workers(const Workers& workers) {
  if (workers.min < 1) return SubmissionProblem{"workers", "workers is below 1", "give at least 1"};
  if (workers.max < workers.min)
    return SubmissionProblem{
        "workers", fmt::format("the range {}..{} is the wrong way round", workers.min, workers.max),
        "swap the ends"};
  if (workers.max > limits::workers_max)
    return SubmissionProblem{"workers", fmt::format("{} workers are asked for", workers.max),
                             fmt::format("at most {}", limits::workers_max)};
  if (workers.processes > limits::processes_max)
    return SubmissionProblem{"workers.processes",
                             fmt::format("{} processes a worker are asked for", workers.processes),
                             fmt::format("at most {}", limits::processes_max)};
  return std::nullopt;
}

Problem check_texts(const ExperimentSpec& spec) {
  for (const auto& [name, value] : spec.env) {
    auto path = "env." + name;
    if (!is_variable_name(name))
      return SubmissionProblem{path, fmt::format("\"{}\" cannot be a variable's name", name),
                               "use letters, digits and '_', not beginning with a digit"};
    // What communicators can be told is the job's own business.
    if (name.starts_with("TROUPE_") && !name.starts_with("TROUPE_COMM_"))
      return SubmissionProblem{path, fmt::format("{} is set by Troupe itself", name),
                               "choose a name without TROUPE_"};
    if (name == "CUDA_VISIBLE_DEVICES")
      return SubmissionProblem{path, fmt::format("{} is set by Troupe itself", name),
                               "a job sees the GPUs that it asks for with `gpus`, and no others; "
                               "what it starts may be shown fewer by its own command"};
    if (value.find('\0') != std::string::npos)
      return SubmissionProblem{path, fmt::format("the value of {} holds a NUL byte", name),
                               "leave it out"};
  }
  return check_labels(spec.labels, "labels.");
}

Problem check_launch(const ExperimentSpec& spec) {
  for (const auto& contract : spec.launch.contracts)
    if (std::find(launch_contracts.begin(), launch_contracts.end(), contract) ==
        launch_contracts.end())
      return SubmissionProblem{"launch.contracts", fmt::format("\"{}\" is no contract", contract),
                               fmt::format("one of {}", fmt::join(launch_contracts, ", "))};
  auto asked = [&](std::string_view contract) {
    return std::count(spec.launch.contracts.begin(), spec.launch.contracts.end(), contract) != 0;
  };
  if (asked("pmi1") && asked("pmix"))
    return SubmissionProblem{"launch.contracts", "pmi1 and pmix are both asked for",
                             "pmi1 for MPICH, pmix for Open MPI"};
  if (spec.roles.empty()) return std::nullopt;
  uint64_t count = 0;
  std::set<std::string_view> names;
  for (const auto& role : spec.roles) {
    auto path = "roles." + role.name;
    if (std::find(role_names.begin(), role_names.end(), role.name) == role_names.end())
      return SubmissionProblem{path, fmt::format("\"{}\" is no role", role.name),
                               fmt::format("one of {}", fmt::join(role_names, ", "))};
    if (!names.insert(role.name).second)
      return SubmissionProblem{path, fmt::format("the role {} is given twice", role.name),
                               "give it once, with its count"};
    if (role.count == 0)
      return SubmissionProblem{path, fmt::format("nobody starts the role {}", role.name),
                               "give it a count of 1 or more, or remove it"};
    if (role.name == "chief" && role.count > 1)
      return SubmissionProblem{path, fmt::format("there are {} chiefs", role.count),
                               "one leads; the others are workers"};
    count += role.count;
    for (const auto& command : role.run)
      if (auto problem = check_command(command, path + ".run")) return problem;
    if (role.resources)
      if (auto problem = check_resources(*role.resources, path + ".resources")) return problem;
  }
  if (!names.contains("chief") && !names.contains("worker"))
    return SubmissionProblem{"roles", "no role trains",
                             "add a chief or workers; the others only serve them"};
  if (count != spec.workers.min || count != spec.workers.max)
    return SubmissionProblem{
        "roles",
        fmt::format("the roles are {} workers, and workers says {}", count,
                    spec.workers.min == spec.workers.max
                        ? fmt::to_string(spec.workers.min)
                        : fmt::format("{}..{}", spec.workers.min, spec.workers.max)),
        "leave workers out: the roles say how many there are"};
  for (uint32_t worker = 1; worker < count; ++worker)
    if ((asked("pmi1") || asked("pmix")) && spec.processes_at(worker) != spec.processes_at(0))
      return SubmissionProblem{
          "workers.processes",
          fmt::format("{} of MPI's ranks are to run on one worker, {} on another",
                      spec.processes_at(0), spec.processes_at(worker)),
          "give all the same number: workers: {processes: N}"};
  return std::nullopt;
}

Problem check_data(const ExperimentSpec& spec) {
  std::set<std::string> mounts;
  for (size_t i = 0; i < spec.data.size(); ++i) {
    const auto& [source, mount, digest, writable] = spec.data[i];
    auto path = fmt::format("data[{}]", i);
    auto ref = parse_dataset_ref(source);
    if (!ref)
      return SubmissionProblem{path, fmt::format("\"{}\" cannot be a data source", source),
                               "write NAME, NAME:VERSION, NAME:TAG or ID/out"};
    if (!mount.empty() && !is_object_name(mount))
      return SubmissionProblem{path, fmt::format("\"{}\" cannot be a mount's name", mount),
                               "use letters, digits, '_', '-' and '.'"};
    auto name = mount.empty() ? ref->default_mount() : mount;
    // By its variable: TROUPE_DATA_<NAME> must be one of them alone, too.
    if (!mounts.insert(variable_part(name)).second)
      return SubmissionProblem{path, fmt::format("{} is mounted twice", name),
                               "give one of them another mount"};
  }
  return std::nullopt;
}

Problem check_numbers(const ExperimentSpec& spec) {
  if (spec.priority < 0 || spec.priority > 100)
    return SubmissionProblem{"priority", fmt::format("priority is {}", spec.priority),
                             "give 0 to 100; higher goes first"};
  if (spec.retry.count > 1000)
    return SubmissionProblem{"retry.count", fmt::format("retry count is {}", spec.retry.count),
                             "at most 1000"};
  if (spec.retry.backoff.count() < 0)
    return SubmissionProblem{"retry.backoff", "backoff is below zero", "give 0s or more"};
  if (spec.limits.pending.count() < 0)
    return SubmissionProblem{"limits.pending", "the limit is below zero", "give 0s or more"};
  if (spec.limits.running.count() < 0)
    return SubmissionProblem{"limits.running", "the limit is below zero", "give 0s or more"};
  const auto& [patience, action] = spec.watchdog;
  // Workers look at what their ranks do once a second.
  if (patience.count() != 0 && patience < std::chrono::seconds{1})
    return SubmissionProblem{"watchdog.patience",
                             fmt::format("the patience is {}", duration_text(patience)),
                             "give 1s or more; a step of the training must fit in it"};
  if (patience.count() == 0 && action != HangAction::report)
    return SubmissionProblem{"watchdog.patience", "the watchdog has no patience",
                             "say after what time without progress it acts: 2m"};
  if (const auto& rule = spec.checkpoints;
      rule && std::max(rule->keep_last, rule->keep_best) > limits::checkpoints_max)
    return SubmissionProblem{
        "checkpoints",
        fmt::format("{} checkpoints are to be kept", std::max(rule->keep_last, rule->keep_best)),
        fmt::format("at most {}", limits::checkpoints_max)};
  if (const auto& rule = spec.checkpoints; rule && rule->shards && rule->keep_last == 0)
    return SubmissionProblem{"checkpoints", "shards are to come together, and none are kept",
                             "give keep_last: 1 or more: the head puts them together"};
  for (auto id : spec.after)
    if (id.top == 0) return SubmissionProblem{"after", "0 is no id", "give the id to wait for"};
  return std::nullopt;
}

Problem check_size(const Submission& submission) {
  auto bytes = json_text(to_value(submission.experiment)).size();
  if (submission.sweep) {
    auto sweep = *submission.sweep;
    sweep.points.clear();  // counted by check_sweep
    bytes += json_text(to_value(sweep)).size();
  }
  if (bytes > limits::spec_bytes_max)
    return SubmissionProblem{
        "", fmt::format("the submission is {} bytes long as JSON", bytes),
        fmt::format("at most {}: put long texts into files of the code", limits::spec_bytes_max)};
  return std::nullopt;
}

}  // namespace

bool is_object_name(std::string_view name) {
  if (name.empty() || name.size() > 100) return false;
  if (!is_letter(name.front()) && !is_digit(name.front())) return false;
  for (char c : name)
    if (!is_letter(c) && !is_digit(c) && c != '_' && c != '-' && c != '.') return false;
  return true;
}

Error to_error(const SubmissionProblem& problem) {
  auto what = problem.path.empty() ? problem.message : problem.path + ": " + problem.message;
  return Error{Errc::invalid, std::move(what), "", problem.hint};
}

std::optional<SubmissionProblem> check_submission(const Submission& submission) {
  const auto& spec = submission.experiment;
  if (spec.parameters.size() > limits::parameters_max)
    return SubmissionProblem{"parameters",
                             fmt::format("there are {} parameters", spec.parameters.size()),
                             fmt::format("at most {}", limits::parameters_max)};
  if (auto problem = check_names(spec)) return problem;
  const bool asked = submission.sweep && submission.sweep->ask;
  if (auto problem = asked ? check_nothing_runs(spec) : check_commands(spec)) return problem;
  if (auto problem = check_resources(spec.resources, "resources")) return problem;
  if (auto problem = check_workers(spec.workers)) return problem;
  if (auto problem = check_launch(spec)) return problem;
  if (auto problem = check_texts(spec)) return problem;
  if (auto problem = check_data(spec)) return problem;
  if (auto problem = check_numbers(spec)) return problem;
  if (auto problem = check_parameter_names(submission)) return problem;
  if (auto problem = check_sweep(submission)) return problem;
  if (auto problem = check_exec_sizes(submission)) return problem;
  return check_size(submission);
}

}  // namespace troupe
