#include "runtime/config/project_file.hpp"

#include "runtime/config/overrides.hpp"
#include "runtime/config/submission_reader.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/placeholder.hpp"
#include "runtime/core/submission_check.hpp"

#include <fmt/format.h>

#include <set>

namespace troupe::config {

namespace {

/// Every placeholder of a spec; those that cannot be read are left to check_submission.
std::set<std::string> used_names(const ExperimentSpec& spec) {
  std::set<std::string> used;
  auto add = [&](const Command& command) {
    if (auto names = placeholder_names(command)) used.insert(names->begin(), names->end());
  };
  for (const auto& command : spec.run) add(command);
  for (const auto& role : spec.roles)
    for (const auto& command : role.run) add(command);
  for (const auto& command : spec.setup) add(command);
  for (const auto& [name, value] : spec.env) add(Command{"", {value}});
  return used;
}

/// A task or a command from the command line need not use all that the file's run does; what was
/// asked for with them must be used all the same.
void drop_inherited(ExperimentSpec& spec, const std::set<std::string>& asked_for) {
  auto used = used_names(spec);
  std::erase_if(spec.parameters, [&](const Parameter& parameter) {
    return !used.contains(parameter.name) && !asked_for.contains(parameter.name);
  });
}

std::set<std::string> asked_names(const YamlNode& root, const Request& request) {
  std::set<std::string> names;
  const auto* tasks = root.find("tasks");
  const auto* task = tasks == nullptr ? nullptr : tasks->find(request.task);
  const auto* own = task == nullptr ? nullptr : task->find("parameters");
  if (own != nullptr)
    for (const auto& entry : own->entries) names.insert(entry.key);
  return names;
}

Result<ProjectFile> from_tree(YamlNode root, std::string_view file_name, const Request& request) {
  auto asked_for = asked_names(root, request);
  if (!request.task.empty()) TROUPE_TRY(apply_task(root, request.task, file_name));
  TROUPE_TRY(apply_request(root, request));
  if (const auto* parameters = root.find("parameters"); parameters != nullptr)
    for (const auto& entry : parameters->entries)
      if (!entry.value.place.option.empty()) asked_for.insert(entry.key);

  ProjectFile file;
  NodeReader in{file_name};
  auto& spec = file.submission.experiment;
  spec.project = request.default_project;
  read_submission(in, root, file);
  if (in.error()) return *in.error();
  spec.task = request.task;
  if (!request.task.empty() || request.command) drop_inherited(spec, asked_for);
  if (auto problem = check_submission(file.submission))
    return in.error_at(problem->path, problem->message, problem->hint);
  file.positions = in.take_positions();
  return file;
}

}  // namespace

Result<ProjectFile> parse_project_file(std::string_view text, std::string_view file_name,
                                       const Request& request) {
  auto root = parse_yaml(text, file_name, {.bytes_max = limits::project_file_bytes_max});
  if (!root) return std::move(root).error();
  if (root->kind == YamlNode::Kind::null)
    return Error{Errc::invalid, fmt::format("{}: the file is empty", file_name), "",
                 "troupe init writes one to start from"};
  if (!root->is_map())
    return Error{Errc::invalid,
                 fmt::format("{}: the file must be a map of keys", root->place.text(file_name)), "",
                 "begin with `run: COMMAND`"};
  return from_tree(std::move(*root), file_name, request);
}

Result<ProjectFile> without_project_file(const Request& request) {
  YamlNode root;
  root.kind = YamlNode::Kind::map;
  return from_tree(std::move(root), "the command", request);
}

}  // namespace troupe::config
