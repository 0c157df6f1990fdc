// Changes to a submission that is being run again.
#include "client/api/convert.hpp"
#include "client/api/schema_json.hpp"

#include <capnp/message.h>

namespace troupe::api {

namespace {

/// Of a group of keys, those that were given replace the original's.
void merge_resources(Resources& into, const Resources& from, const Value& given) {
  if (given.find("cpus") != nullptr) into.cpus = from.cpus;
  if (given.find("mem") != nullptr) into.mem = from.mem;
  if (given.find("gpus") != nullptr) into.gpus = from.gpus;
  if (given.find("gpu_type") != nullptr) into.gpu_type = from.gpu_type;
  if (given.find("gpu_share") != nullptr) into.gpu_share = from.gpu_share;
  if (given.find("gpu_mem") != nullptr) into.gpu_mem = from.gpu_mem;
  if (given.find("shm") != nullptr) into.shm = from.shm;
  if (given.find("max_processes") != nullptr) into.max_processes = from.max_processes;
  if (given.find("binding") != nullptr) into.binding = from.binding;
  for (const auto& [name, text] : from.node_labels) into.node_labels.insert_or_assign(name, text);
}

void merge(ExperimentSpec& into, ExperimentSpec& from, std::string_view key, const Value& given) {
  if (key == "project") into.project = std::move(from.project);
  if (key == "name") into.name = std::move(from.name);
  if (key == "task") into.task = std::move(from.task);
  if (key == "run") into.run = std::move(from.run);
  if (key == "setup") into.setup = std::move(from.setup);
  if (key == "resources") merge_resources(into.resources, from.resources, given);
  if (key == "workers") into.workers = from.workers;
  if (key == "roles") into.roles = std::move(from.roles);
  if (key == "launch") into.launch = std::move(from.launch);
  if (key == "data") into.data = std::move(from.data);
  if (key == "mount_method") into.mount_method = from.mount_method;
  if (key == "parameters" || key == "params") into.parameters = std::move(from.parameters);
  if (key == "limits") {
    if (given.find("pending") != nullptr) into.limits.pending = from.limits.pending;
    if (given.find("running") != nullptr) into.limits.running = from.limits.running;
  }
  if (key == "retry") {
    if (given.find("count") != nullptr) into.retry.count = from.retry.count;
    if (given.find("backoff") != nullptr) into.retry.backoff = from.retry.backoff;
  }
  if (key == "watchdog") {
    if (given.find("patience") != nullptr) into.watchdog.patience = from.watchdog.patience;
    if (given.find("action") != nullptr) into.watchdog.action = from.watchdog.action;
  }
  if (key == "checkpoints") into.checkpoints = from.checkpoints;
  if (key == "priority") into.priority = from.priority;
  if (key == "preemptible") into.preemptible = from.preemptible;
  if (key == "exclusive") into.exclusive = from.exclusive;
  if (key == "receipt") into.receipt = from.receipt;
  if (key == "env")
    for (auto& [name, text] : from.env) into.env.insert_or_assign(name, std::move(text));
  if (key == "labels")
    for (auto& [name, text] : from.labels) into.labels.insert_or_assign(name, std::move(text));
  if (key == "after") into.after = std::move(from.after);
  if (key == "code") {
    into.code_digest = std::move(from.code_digest);
    into.code_git = std::move(from.code_git);
  }
  if (key == "seed") into.seed = from.seed;
}

}  // namespace

Result<void> apply_options(Submission& submission, const Value& options) {
  if (options.is_null()) return ok();
  // What a submission must have but a change need not.
  auto whole = options;
  if (whole.is_map()) {
    whole.as_map().try_emplace("project", submission.experiment.project);
    whole.as_map().try_emplace("run", "true");
  }
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::Submission>();
  TROUPE_TRY(read_value(whole, root));
  auto changed = submission_from(root.asReader());
  if (!changed) return std::move(changed).error();
  for (const auto& [key, given] : options.as_map()) {
    merge(submission.experiment, changed->experiment, key, given);
    if (key == "sweep") submission.sweep = changed->sweep;
    if (key == "key") submission.key = changed->key;
  }
  return ok();
}

}  // namespace troupe::api
