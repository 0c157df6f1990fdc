#include "client/cli/entry_text.hpp"

#include "client/cli/receipt_text.hpp"
#include "client/cli/session.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/recovery.hpp"
#include "runtime/core/spec.hpp"
#include "runtime/core/state.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace troupe::cli {

namespace {

std::string map_text(const ValueMap& map) {
  std::string text;
  for (const auto& [name, value] : map)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, number_text(&value));
  return text;
}

/// What changed on the way: a metric with one value alone says nothing new.
std::string extremes_text(const ValueMap& best) {
  std::string text;
  for (const auto& [name, value] : best) {
    auto min = number_text(value.find("min")), max = number_text(value.find("max"));
    if (min != max) text += fmt::format("{}{}={}..{}", text.empty() ? "" : " ", name, min, max);
  }
  return text;
}

std::string command_text(const Value& command) {
  if (!command.is_list()) return command.to_text();
  std::string text;
  for (const auto& word : command.as_list())
    text += fmt::format("{}{}", text.empty() ? "" : " ", shell_quote(word.to_text()));
  return text;
}

/// ", 2 gpus H100 of 80.0 GiB": what was asked for.
std::string gpus_text(const Value& resources, int64_t gpus) {
  const auto* share = resources.find("gpu_share");
  auto text = share != nullptr && share->is_number() && share->as_number() < 1
                  ? fmt::format(", {} of a gpu", number_text(share))
                  : fmt::format(", {} gpu{}", gpus, gpus == 1 ? "" : "s");
  if (auto type = text_of(resources, "gpu_type"); !type.empty()) text += " " + type;
  if (auto mem = int_of(resources, "gpu_mem"); mem != 0)
    text += fmt::format(" of {}", bytes_text(static_cast<uint64_t>(mem)));
  return text;
}

/// "4 cpus, 2 GiB, 1 gpu".
std::string needs_text(const Value& resources) {
  auto cpus = number_text(resources.find("cpus"));
  auto text = fmt::format("{} {}", cpus, cpus == "1" ? "cpu" : "cpus");
  if (auto mem = int_of(resources, "mem"); mem != 0)
    text += fmt::format(", {}", bytes_text(static_cast<uint64_t>(mem)));
  if (auto gpus = int_of(resources, "gpus"); gpus != 0) text += gpus_text(resources, gpus);
  if (auto most = int_of(resources, "max_processes"); most != 0)
    text += fmt::format(", {} processes at most", most);
  for (const auto& [name, value] : map_of(resources, "node_labels"))
    text += fmt::format(", nodes with {}={}", name, value.to_text());
  return text;
}

std::string workers_text(const Value& entry) {
  const auto* workers = entry.find("workers");
  return workers != nullptr && workers->is_map() ? text_of(*workers, "count")
                                                 : text_of(entry, "workers");
}

std::string resources_text(const Value& entry) {
  auto text = needs_text(map_of(entry, "resources"));
  auto workers = workers_text(entry);
  if (workers != "1") text += fmt::format(", for each of {} workers", workers);
  return text;
}

/// "digits: erofs, private".
std::string mount_text(const Value& mount) {
  return fmt::format("{}: {}, {}{}", text_of(mount, "mount"), text_of(mount, "method"),
                     text_of(mount, "place"),
                     text_of(mount, "writable") == "true" ? ", writable" : "");
}

/// "cpus 0-3 of its own, numa 0, gpus GPU-1, nic mlx5_0".
std::string binding_text(const Value& binding) {
  std::string text;
  auto add = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, value);
  };
  auto texts = [&](const char* key) {
    std::vector<std::string> all;
    for (const auto& each : list_of(binding, key))
      if (std::find(all.begin(), all.end(), each.to_text()) == all.end())
        all.push_back(each.to_text());
    return fmt::format("{}", fmt::join(all, " "));
  };
  auto cpus = text_of(binding, "cpus");
  bool own = text_of(binding, "own") == "true";
  add("cpus", cpus.empty() ? cpus : cpus + (own ? " of its own" : ""));
  add("numa", text_of(binding, "memory"));
  add("gpus", texts("gpus"));
  add("nic", texts("nics"));
  add("unbound:", text_of(binding, "note"));
  return text;
}

/// "step-20: 3m ago, 1.2 GiB, on n1 and with the head, value 0.9".
std::string checkpoint_text(const Value& checkpoint, Timestamp now) {
  bool kept = text_of(checkpoint, "kept") == "true";
  auto text =
      fmt::format("{}: {}, ", text_of(checkpoint, "name"), ago(text_of(checkpoint, "made"), now));
  if (kept) text += bytes_text(static_cast<uint64_t>(int_of(checkpoint, "bytes"))) + ", ";
  text +=
      fmt::format("made on {}{}", text_of(checkpoint, "node"), kept ? ", kept by the head" : "");
  if (auto value = number_text(checkpoint.find("value")); !value.empty()) text += ", at " + value;
  return text;
}

/// "restart after 2m without progress"; empty where nobody watches.
std::string watchdog_text(const Value& watchdog) {
  auto patience = int_of(watchdog, "patience");
  if (patience == 0) return "";
  return fmt::format("{} after {} without progress", text_of(watchdog, "action"),
                     duration_text(Duration{patience}));
}

/// What a restart cost; empty where nothing is known of it.
std::string recovery_text(const Value& cost) {
  auto number = [&](const char* name) -> std::optional<double> {
    const auto* value = cost.find(name);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->as_number();
  };
  auto time = [&](const char* name) -> std::optional<Duration> {
    auto seconds = number(name);
    if (!seconds) return std::nullopt;
    return Duration{std::llround(*seconds * 1000)};
  };
  return to_text(
      Recovery{number("lost_steps"), time("detection"), time("rebuild"), time("warm_up")});
}

/// "chief 1, worker 2 (4 cpus, 1 gpu)".
std::string roles_text(const Value& entry) {
  std::string text;
  for (const auto& role : list_of(entry, "roles")) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", text_of(role, "name"),
                        int_of(role, "count"));
    if (const auto* own = role.find("resources"); own != nullptr && own->is_map())
      text += fmt::format(" ({})", needs_text(*own));
  }
  return text;
}

std::string launch_text(const Value& launch) {
  std::string text;
  for (const auto& name : list_of(launch, "contracts"))
    text += (text.empty() ? "" : ", ") + name.to_text();
  return text;
}

std::string budget_text(const Value& budget) {
  if (text_of(budget, "limit").empty()) return "";
  auto unit = text_of(budget, "unit");
  auto name = unit == "gpu_hours" ? "GPU-hours" : unit == "hours" ? "hours" : "CPU-core-hours";
  auto hours = [&](const char* key) {
    const auto* value = budget.find(key);
    return fmt::format("{:.4g}", value != nullptr && value->is_number() ? value->as_number() : 0);
  };
  std::string note = text_of(budget, "limit").ends_with("gpuh") && unit != "gpu_hours"
                         ? ", as no GPU is asked for"
                         : "";
  return fmt::format("{} of {} {} spent, {} left{}", hours("spent"), hours("amount"), name,
                     hours("left"), note);
}

}  // namespace

std::string number_text(const Value* value) {
  if (value == nullptr || value->is_null()) return "";
  if (!value->is_double()) return value->to_text();
  return fmt::format("{:.6g}", value->as_number());
}

std::string members_text(const Value& entry) {
  if (text_of(entry, "kind") != "set") return "";
  const Value counts = map_of(entry, "counts");
  auto ended = int_of(counts, "finished") + int_of(counts, "failed") + int_of(counts, "killed");
  return fmt::format("{}/{}", ended, int_of(entry, "size"));
}

/// Of a range also how many run now, where all that were begun are listed.
std::string concurrency_text(const Value& entry) {
  auto text = text_of(entry, "concurrency");
  if (text.find("..") == std::string::npos || !text_of(entry, "ended").empty() ||
      !text_of(entry, "members_next_page_token").empty())
    return text;
  size_t run = 0, wait = 0;
  for (const auto& member : list_of(entry, "members")) {
    auto state = state_from_string(text_of(member, "state"));
    if (!state || is_terminal(*state)) continue;
    ++(*state == State::queued ? wait : run);
  }
  text += fmt::format(": {} run", run);
  if (wait != 0) text += fmt::format(", {} wait", wait);
  return text;
}

std::string result_text(const Value& entry) {
  if (text_of(entry, "kind") != "set") return map_text(map_of(map_of(entry, "metrics"), "last"));
  const auto* best = entry.find("best");
  if (best == nullptr || !best->is_map()) return "";
  auto metric = text_of(entry, "metric");
  metric = metric.substr(metric.find('.') + 1);
  return fmt::format("{}={}", metric.substr(0, metric.find(", ")),
                     number_text(best->find("value")));
}

std::string reason_text(const Value& entry) {
  if (auto reason = text_of(entry, "reason"); !reason.empty()) return reason;
  const auto* error = entry.find("error");
  return error != nullptr && error->is_map() ? text_of(*error, "message") : "";
}

std::string sheet(const Value& entry, const Output& out, Timestamp now) {
  Table table{{{"FIELD"}, {"VALUE"}}};
  auto add = [&](std::string name, std::string text, std::string plain = {},
                 Colour colour = Colour::none) {
    if (!text.empty()) table.row({{std::move(name)}, {std::move(text), std::move(plain), colour}});
  };
  auto field = [&](const char* name) { add(name, text_of(entry, name)); };
  auto map = [&](const char* name) { add(name, map_text(map_of(entry, name))); };
  auto time = [&](const char* name) {
    auto text = text_of(entry, name);
    if (!text.empty())
      add(name, fmt::format("{} ({})", text.substr(0, 19) + "Z", ago(text, now)), text);
  };
  auto state = text_of(entry, "state");
  field("id");
  field("set");
  add("state", state, "", state_colour(state));
  add("reason", reason_text(entry));
  if (const auto* error = entry.find("error"); error != nullptr && error->is_map()) {
    add("detail", text_of(*error, "detail"));
    add("hint", text_of(*error, "hint"));
  }
  field("name");
  field("project");
  field("task");
  field("user");
  add("members", members_text(entry));
  // One row a line: a cell has no line breaks.
  auto lines = [&](const char* name) {
    for (const auto& command : list_of(entry, name)) {
      auto text = command_text(command);
      for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
        end = std::min(text.find('\n', begin), text.size());
        table.row({{begin == 0 ? name : "", name}, {text.substr(begin, end - begin)}});
      }
    }
  };
  lines("setup");
  lines("command");
  map("params");
  add("metrics", map_text(map_of(map_of(entry, "metrics"), "last")));
  if (text_of(entry, "kind") != "set") add("best", extremes_text(map_of(entry, "best")));
  field("metric");
  if (const auto* best = entry.find("best"); best != nullptr && !text_of(*best, "id").empty())
    add("best",
        fmt::format("{} ({}): {}", text_of(*best, "id"), number_text(best->find("value")),
                    map_text(map_of(*best, "params"))),
        "", Colour::green);
  std::string front;
  for (const auto& member : list_of(entry, "front"))
    front += (front.empty() ? "" : ", ") + member.to_text();
  add("front", front);
  field("strategy");
  if (auto picked = text_of(entry, "picked"); !picked.empty())
    add("picked", fmt::format("{}: {}", picked, text_of(entry, "picked_reason")));
  field("trials");
  add("concurrency", concurrency_text(entry));
  add("budget", budget_text(map_of(entry, "budget")));
  field("seed");
  field("stop_when");
  map("early_stop");
  if (text_of(entry, "kind") == "set" && int_of(entry, "stopped") != 0) field("stopped");
  add("resources", resources_text(entry));
  add("roles", roles_text(entry));
  add("launch", launch_text(map_of(entry, "launch")));
  add("watchdog", watchdog_text(map_of(entry, "watchdog")));
  field("priority");
  if (text_of(entry, "preemptible") == "false") field("preemptible");
  if (text_of(entry, "exclusive") == "true") field("exclusive");
  if (text_of(entry, "receipt") == "false") field("receipt");
  field("mount_method");
  map("env");
  map("labels");
  add("code", text_of(map_of(entry, "code"), "digest"));
  add("git", text_of(map_of(entry, "code"), "git"));
  field("rerun_of");
  field("branched_from");
  field("paused");
  time("created");
  time("queued");
  time("started");
  time("ended");
  add("time", span_text(text_of(entry, "started"), text_of(entry, "ended"), now));
  field("exit_code");
  if (auto attempts = list_of(entry, "attempts").size(); attempts > 1)
    add("attempts", fmt::to_string(attempts));
  if (auto attempts = list_of(entry, "attempts"); !attempts.empty())
    add("resumed", text_of(attempts.back(), "resumed"));
  for (const auto& attempt : list_of(entry, "attempts"))
    if (auto cost = recovery_text(map_of(attempt, "recovery")); !cost.empty())
      add("recovery", fmt::format("attempt {}: {}", text_of(attempt, "number"), cost));
  if (auto attempts = list_of(entry, "attempts"); !attempts.empty())
    for (const auto& line : receipt_lines(map_of(attempts.back(), "receipt"))) add("receipt", line);
  for (const auto& one : list_of(entry, "stragglers")) {
    const auto* share = one.find("share");
    auto late = text_of(one, "late");
    add("straggler",
        fmt::format("rank {} on {}: the others wait {:.0f} % of their time for it{}",
                    int_of(one, "rank"), text_of(one, "node"),
                    share != nullptr && share->is_number() ? share->as_number() * 100 : 0,
                    late.empty() ? "" : ", " + late + " a call"));
  }
  for (const auto& checkpoint : list_of(entry, "checkpoints"))
    add("checkpoint", checkpoint_text(checkpoint, now));
  for (const auto& job : list_of(entry, "jobs")) {
    auto text = fmt::format("{} on {}: {}", text_of(job, "id"), text_of(job, "node"),
                            text_of(job, "state"));
    if (auto code = text_of(job, "exit_code"); !code.empty())
      text += fmt::format(", exit {}", code);
    if (auto signal = text_of(job, "signal"); !signal.empty())
      text += fmt::format(", signal {}", signal);
    add("job", text);
    if (const auto* binding = job.find("binding"); binding != nullptr && binding->is_map())
      add("bound", binding_text(*binding));
    for (const auto& mount : list_of(job, "mounts")) add("data", mount_text(mount));
  }
  auto text = table.text(out.out());
  // A sheet needs no header line.
  return out.out().terminal ? text.substr(text.find('\n') + 1) : text;
}

}  // namespace troupe::cli
