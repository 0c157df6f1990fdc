#include "runtime/config/overrides.hpp"

#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

namespace troupe::config {

namespace {

YamlNode empty_node(YamlNode::Kind kind, const Place& place) {
  YamlNode node;
  node.kind = kind;
  node.place = place;
  return node;
}

/// An option that replaces one scalar: the section it stands in (or none) and its key there.
struct ScalarOption {
  const char* name;
  const char* section;
  const char* key;
};
constexpr ScalarOption scalar_options[] = {{"project", "", "project"},
                                           {"name", "", "name"},
                                           {"priority", "", "priority"},
                                           {"cpus", "resources", "cpus"},
                                           {"mem", "resources", "mem"},
                                           {"gpus", "resources", "gpus"},
                                           {"gpu-type", "resources", "gpu_type"},
                                           {"gpu-mem", "resources", "gpu_mem"},
                                           {"preemptible", "", "preemptible"},
                                           {"exclusive", "", "exclusive"},
                                           {"receipt", "", "receipt"},
                                           {"mount-method", "", "mount_method"},
                                           {"max-processes", "resources", "max_processes"},
                                           {"binding", "resources", "binding"},
                                           {"retries", "retry", "count"},
                                           {"watchdog", "watchdog", "patience"},
                                           {"watchdog-action", "watchdog", "action"},
                                           {"max-time", "limits", "running"},
                                           {"strategy", "sweep", "strategy"},
                                           {"trials", "sweep", "trials"},
                                           {"concurrency", "sweep", "concurrency"},
                                           {"metric", "sweep", "metric"},
                                           {"stop-when", "sweep", "stop_when"},
                                           {"early-stop", "sweep", "early_stop"},
                                           {"budget", "sweep", "budget"},
                                           {"ask", "sweep", "ask"}};

std::vector<std::string> option_names() {
  std::vector<std::string> names{"workers",    "processes", "data",  "setup", "env",    "label",
                                 "node-label", "after",     "param", "seed",  "launch", "space"};
  for (const auto& option : scalar_options) names.emplace_back(option.name);
  return names;
}

class Applier {
 public:
  Applier(YamlNode& root, const Request& request)
      : root_{root}, request_{request}, sweep_{root.find("sweep") != nullptr} {}

  Result<void> apply(const std::string& name, const std::string& value) {
    Place place;
    place.option = "--" + name;
    for (const auto& option : scalar_options)
      if (name == option.name) return set_scalar(option, value, place);
    if (name == "seed") {
      (sweep_ ? section("sweep", place) : root_).set("seed", scalar_node(value, place));
      return ok();
    }
    if (name == "workers" || name == "processes") return set_workers(name, value, place);
    if (name == "setup" || name == "after" || name == "launch") {
      list(name, place).items.push_back(scalar_node(value, place, true));
      return ok();
    }
    if (name == "data") return add_data(value, place);
    if (name == "env") return add_env(value, place);
    if (name == "label") return add_pair(section("labels", place), value, place);
    if (name == "node-label") return add_node_label(value, place);
    if (name == "param") return add_parameter(value, place);
    if (name == "space") return add_space(value, place);
    return Error{Errc::invalid, fmt::format("--{} is no option of a run", name), "",
                 suggestion(name, option_names())};
  }

 private:
  /// The map of a section; what stands there as something else is left for the reader to refuse.
  YamlNode& section(std::string_view key, const Place& place) {
    auto* found = root_.find(key);
    if (found == nullptr || found->kind == YamlNode::Kind::null) {
      root_.set(key, empty_node(YamlNode::Kind::map, place));
      found = root_.find(key);
    }
    return *found;
  }

  /// The list of an option that replaces the file's; further ones add to it.
  YamlNode& list(const std::string& key, const Place& place) {
    if (replaced_.insert(key).second) root_.set(key, empty_node(YamlNode::Kind::list, place));
    return *root_.find(key);
  }

  Result<void> set_scalar(const ScalarOption& option, const std::string& value,
                          const Place& place) {
    std::string_view in{option.section};
    if (in == "sweep" && !sweep_)
      return Error{Errc::invalid, fmt::format("{} says how to search", place.option),
                   "a run is one experiment", "use troupe sweep"};
    auto& target = in.empty() ? root_ : section(in, place);
    // `retry: 3` is short for its count, `watchdog: 2m` for its patience.
    if ((in == "retry" || in == "watchdog") && target.is_scalar()) {
      auto map = empty_node(YamlNode::Kind::map, place);
      map.set(in == "retry" ? "count" : "patience", target);
      target = std::move(map);
    }
    if (target.is_map()) target.set(option.key, scalar_node(value, place));
    return ok();
  }

  Result<void> set_workers(const std::string& name, const std::string& value, const Place& place) {
    auto* workers = root_.find("workers");
    bool is_map = workers != nullptr && workers->is_map();
    if (name == "workers" && !is_map) {
      root_.set("workers", scalar_node(value, place));
      return ok();
    }
    if (!is_map) {
      auto map = empty_node(YamlNode::Kind::map, place);
      if (workers != nullptr && workers->is_scalar()) map.set("count", *workers);
      root_.set("workers", std::move(map));
      workers = root_.find("workers");
    }
    workers->set(name == "workers" ? "count" : "processes", scalar_node(value, place));
    return ok();
  }

  Result<void> add_data(const std::string& value, const Place& place) {
    // digits:3:mount:rw, or 41/out:mount:rw: a version never follows an output.
    auto colon = value.find(':');
    auto slash = value.find('/');
    if (colon != std::string::npos && (slash == std::string::npos || slash > colon))
      colon = value.find(':', colon + 1);
    auto item = empty_node(YamlNode::Kind::map, place);
    auto source = value.substr(0, colon);
    if (colon != std::string::npos && source.ends_with(':')) source.pop_back();  // of no version
    item.set("source", scalar_node(source, place, true));
    if (colon != std::string::npos) {
      auto mount = value.substr(colon + 1);
      if (mount.ends_with(":rw")) {
        mount.resize(mount.size() - 3);
        item.set("writable", scalar_node("true", place));
      }
      item.set("mount", scalar_node(mount, place, true));
    }
    list("data", place).items.push_back(std::move(item));
    return ok();
  }

  Result<void> add_env(const std::string& value, const Place& place) {
    if (value.find('=') != std::string::npos) return add_pair(section("env", place), value, place);
    auto found = request_.environment ? request_.environment(value) : from_process(value);
    if (!found)
      return Error{Errc::invalid, fmt::format("--env {}: the variable is not set", value), "",
                   fmt::format("set it first, or write --env {}=VALUE", value)};
    auto& env = section("env", place);
    if (env.is_map()) env.set(value, scalar_node(*found, place, true));
    return ok();
  }

  static std::optional<std::string> from_process(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>{value};
  }

  Result<void> add_node_label(const std::string& pair, const Place& place) {
    auto& resources = section("resources", place);
    if (!resources.is_map()) return ok();  // refused when it is read
    if (auto* known = resources.find("node_labels");
        known == nullptr || known->kind == YamlNode::Kind::null)
      resources.set("node_labels", empty_node(YamlNode::Kind::map, place));
    return add_pair(*resources.find("node_labels"), pair, place);
  }

  Result<void> add_pair(YamlNode& map, const std::string& pair, const Place& place) {
    auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{Errc::invalid,
                   fmt::format("{} {}: a name and a value are needed", place.option, pair), "",
                   fmt::format("write {} NAME=VALUE", place.option)};
    if (map.is_map())
      map.set(pair.substr(0, equals), scalar_node(pair.substr(equals + 1), place, true));
    return ok();
  }

  /// What another program's search space is in a project file: its `parameters` and `sweep`.
  Result<void> add_space(const std::string& text, const Place& place) {
    auto read = parse_yaml(text, place.option, {.bytes_max = text.size()});
    if (!read) return std::move(read).error();
    put_at(*read, place);
    for (auto& part : read->entries) {
      auto& target = section(part.key, place);
      if (!target.is_map())
        return Error{
            Errc::invalid,
            fmt::format("{} does not go with what the file has as {}", place.option, part.key), "",
            fmt::format("leave {} out of the file", part.key)};
      for (auto& entry : part.value.entries) {
        auto* known = entry.value.is_list() ? target.find(entry.key) : nullptr;
        if (part.key == "parameters" || known == nullptr || !known->is_list())
          target.set(entry.key, std::move(entry.value));
        else
          known->items.insert(known->items.end(), entry.value.items.begin(),
                              entry.value.items.end());
      }
    }
    return ok();
  }

  static void put_at(YamlNode& node, const Place& place) {
    node.place = place;
    for (auto& item : node.items) put_at(item, place);
    for (auto& entry : node.entries) entry.place = place, put_at(entry.value, place);
  }

  Result<void> add_parameter(const std::string& pair, const Place& place) {
    auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{Errc::invalid, fmt::format("--param {}: a name and a value are needed", pair),
                   "", "write --param NAME=VALUE"};
    auto node = parameter_node(std::string_view{pair}.substr(equals + 1), sweep_, place);
    if (!node) return std::move(node).error();
    auto& parameters = section("parameters", place);
    if (parameters.is_list()) {
      if (sweep_)
        return Error{Errc::invalid, "--param does not go with the points the file lists", "",
                     "change the points, or name the parameters in the file"};
      parameters = empty_node(YamlNode::Kind::map, place);
    }
    if (parameters.is_map()) parameters.set(pair.substr(0, equals), std::move(*node));
    return ok();
  }

  YamlNode& root_;
  const Request& request_;
  bool sweep_;
  std::set<std::string> replaced_;
};

YamlNode command_node(const Command& command, const Place& place) {
  if (command.argv.empty()) return scalar_node(command.shell, place, true);
  auto words = empty_node(YamlNode::Kind::list, place);
  for (const auto& word : command.argv) words.items.push_back(scalar_node(word, place, true));
  auto phases = empty_node(YamlNode::Kind::list, place);
  phases.items.push_back(std::move(words));
  return phases;
}

/// The file's `trials` belong to the file's strategy: whoever asks for one that takes every point
/// asks for all of them.
void drop_trials_of_another_strategy(YamlNode& root, const Request& request) {
  auto* sweep = root.find("sweep");
  if (sweep == nullptr || !sweep->is_map()) return;
  const auto* own = sweep->find("strategy");
  for (const auto& [name, value] : request.options)
    if (name == "strategy" && (value == "grid" || value == "list") &&
        (own == nullptr || own->text != value))
      sweep->erase("trials");
}

}  // namespace

Result<void> apply_task(YamlNode& root, const std::string& task, std::string_view file_name) {
  auto* tasks = root.find("tasks");
  if (tasks != nullptr && !tasks->is_map()) return ok();  // refused when it is read
  auto* found = tasks == nullptr ? nullptr : tasks->find(task);
  if (found == nullptr) {
    std::vector<std::string> names;
    if (tasks != nullptr)
      for (const auto& entry : tasks->entries) names.push_back(entry.key);
    return Error{Errc::not_found, fmt::format("{} has no task \"{}\"", file_name, task), "",
                 names.empty() ? "add it below tasks:" : suggestion(task, names)};
  }
  auto variant = *found;
  if (!variant.is_map())
    return Error{Errc::invalid,
                 fmt::format("{}: the task {} must be a map", variant.place.text(file_name), task),
                 "", "write the keys that differ, such as {run: COMMAND}"};
  for (auto& entry : variant.entries) {
    if (entry.key == "tasks")
      return Error{Errc::invalid,
                   fmt::format("{}: a task has no tasks", entry.place.text(file_name)), "",
                   "move them up"};
    auto* base = root.find(entry.key);
    if (base == nullptr || !base->is_map() || !entry.value.is_map()) {
      root.set(entry.key, std::move(entry.value));
      continue;
    }
    for (auto& item : entry.value.entries) base->set(item.key, std::move(item.value));
  }
  return ok();
}

Result<void> apply_request(YamlNode& root, const Request& request) {
  Place place;
  if (request.purpose == Purpose::run) root.erase("sweep");
  if (request.purpose == Purpose::sweep) {
    auto* sweep = root.find("sweep");
    if (sweep == nullptr || sweep->kind == YamlNode::Kind::null)
      root.set("sweep", empty_node(YamlNode::Kind::map, place));
  }
  drop_trials_of_another_strategy(root, request);
  for (const auto& [name, value] : request.options)
    if (name == "ask")  // of the file only its parameters and its sweep are meant
      for (const auto* key : {"run", "setup", "roles", "data", "after"}) root.erase(key);
  Applier applier{root, request};
  for (const auto& [name, value] : request.options) TROUPE_TRY(applier.apply(name, value));
  if (request.command) {
    place.option = "command";
    root.set("run", command_node(*request.command, place));
  }
  return ok();
}

}  // namespace troupe::config
