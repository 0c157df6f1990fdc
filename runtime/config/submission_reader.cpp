#include "runtime/config/submission_reader.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe::config {

namespace {

constexpr int64_t uint32_max = std::numeric_limits<uint32_t>::max();

using Path = std::string;

/// "4" or "2..8".
void read_worker_range(NodeReader& in, const YamlNode& node, const Path& path, Workers& out) {
  auto dots = node.is_scalar() ? node.text.find("..") : std::string::npos;
  if (dots == std::string::npos) {
    out.min = out.max = static_cast<uint32_t>(in.integer(node, path, 1, limits::workers_max));
    return;
  }
  auto end = [&](std::string text) {
    auto part = scalar_node(std::move(text), node.place);
    return static_cast<uint32_t>(in.integer(part, path, 1, limits::workers_max));
  };
  out.min = end(node.text.substr(0, dots));
  out.max = end(node.text.substr(dots + 2));
}

void read_workers(NodeReader& in, const YamlNode& node, const Path& path, Workers& out) {
  if (!node.is_map()) return read_worker_range(in, node, path, out);
  in.fields(node, path,
            {{"count", [&](const auto& n, const Path& p) { read_worker_range(in, n, p, out); }},
             {"processes",
              [&](const auto& n, const Path& p) {
                out.processes = static_cast<uint32_t>(in.integer(n, p, 0, limits::processes_max));
              }},
             {"resize_after",
              [&](const auto& n, const Path& p) { in.duration(n, p, out.resize_after); }}});
}

/// Numbers and bools become the text they were written as.
void read_texts(NodeReader& in, const YamlNode& node, const Path& path,
                std::map<std::string, std::string>& out) {
  in.entries(node, path, [&](const YamlEntry& entry, const Path& entry_path) {
    std::string text;
    if (entry.value.kind != YamlNode::Kind::null) in.text(entry.value, entry_path, text);
    out.insert_or_assign(entry.key, std::move(text));
  });
}

/// "2", or "0.5": half of one, beside others.
void read_gpus(NodeReader& in, const YamlNode& node, const Path& path, Resources& out) {
  double number = 0;
  if (node.is_scalar() && node.text.find('.') != std::string::npos) in.number(node, path, number);
  if (number <= 0 || number >= 1) {
    out.gpus = static_cast<uint32_t>(in.integer(node, path, 0, uint32_max));
    return;
  }
  out.gpus = 1;
  out.gpu_share = static_cast<uint32_t>(std::lround(number * 1000));
  if (std::abs(out.gpu_share - number * 1000) > 1e-6)
    in.fail(node, fmt::format("{} is no number of thousandths", path), "write 0.5 or 0.125");
}

void read_binding(NodeReader& in, const YamlNode& node, const Path& path,
                  std::optional<Binding>& out) {
  std::string text;
  in.text(node, path, text);
  if (in.error() || text == any_binding) return;
  out = binding_from(text);
  if (!out)
    in.fail(node, fmt::format("{} must be a way to bind, it is \"{}\"", path, text),
            fmt::format("one of {}", binding_names()));
}

void read_resources(NodeReader& in, const YamlNode& node, const Path& path, Resources& out) {
  in.fields(
      node, path,
      {{"cpus", [&](const auto& n, const Path& p) { in.number(n, p, out.cpus); }},
       {"mem", [&](const auto& n, const Path& p) { in.bytes(n, p, out.mem); }},
       {"gpus", [&](const auto& n, const Path& p) { read_gpus(in, n, p, out); }},
       {"gpu_type", [&](const auto& n, const Path& p) { in.text(n, p, out.gpu_type); }},
       {"gpu_mem", [&](const auto& n, const Path& p) { in.bytes(n, p, out.gpu_mem); }},
       {"shm", [&](const auto& n, const Path& p) { in.bytes(n, p, out.shm); }},
       {"max_processes",
        [&](const auto& n, const Path& p) {
          out.max_processes = static_cast<uint64_t>(in.integer(n, p, 1));
        }},
       {"binding", [&](const auto& n, const Path& p) { read_binding(in, n, p, out.binding); }},
       {"node_labels",
        [&](const auto& n, const Path& p) { read_texts(in, n, p, out.node_labels); }}});
}

/// `chief: 1`, or `worker: {count: 2, run: LINE}`.
void read_roles(NodeReader& in, const YamlNode& node, const Path& path, std::vector<Role>& out) {
  in.entries(node, path, [&](const YamlEntry& entry, const Path& entry_path) {
    auto& role = out.emplace_back();
    role.name = entry.key;
    auto count = [&](const YamlNode& n, const Path& p) {
      role.count = static_cast<uint32_t>(in.integer(n, p, 0, limits::workers_max));
    };
    if (entry.value.is_scalar()) return count(entry.value, entry_path);
    in.fields(entry.value, entry_path,
              {{"count", count},
               {"run", [&](const auto& n, const Path& p) { read_commands(in, n, p, role.run); }},
               {"resources", [&](const auto& n, const Path& p) {
                  read_resources(in, n, p, role.resources.emplace());
                }}});
  });
}

/// `{contracts: [slurm]}`, `[slurm]` or `slurm`.
void read_launch(NodeReader& in, const YamlNode& node, const Path& path, Launch& out) {
  auto contracts = [&](const YamlNode& list, const Path& list_path) {
    if (list.is_scalar()) return in.text(list, list_path, out.contracts.emplace_back());
    in.items(list, list_path, [&](const YamlNode& item, const Path& item_path) {
      in.text(item, item_path, out.contracts.emplace_back());
    });
  };
  if (!node.is_map()) return contracts(node, path);
  in.fields(node, path, {{"contracts", contracts}});
}

void read_data(NodeReader& in, const YamlNode& node, const Path& path,
               std::vector<DataMount>& out) {
  in.items(node, path, [&](const YamlNode& item, const Path& item_path) {
    DataMount mount;
    if (item.is_map())
      in.fields(
          item, item_path,
          {{"source", [&](const auto& n, const Path& p) { in.text(n, p, mount.source); }},
           {"mount", [&](const auto& n, const Path& p) { in.text(n, p, mount.mount); }},
           {"writable", [&](const auto& n, const Path& p) { in.boolean(n, p, mount.writable); }}});
    else
      in.text(item, item_path, mount.source);
    out.push_back(std::move(mount));
  });
}

void read_mount_method(NodeReader& in, const YamlNode& node, const Path& path,
                       std::optional<MountMethod>& out) {
  std::string text;
  in.text(node, path, text);
  if (in.error() || text == any_mount_method) return;
  out = mount_method_from(text);
  if (!out)
    in.fail(node, fmt::format("{} is no way to mount: \"{}\"", path, text),
            fmt::format("one of {}", mount_method_names()));
}

void read_limits(NodeReader& in, const YamlNode& node, const Path& path, Limits& out) {
  in.fields(node, path,
            {{"pending", [&](const auto& n, const Path& p) { in.duration(n, p, out.pending); }},
             {"running", [&](const auto& n, const Path& p) { in.duration(n, p, out.running); }}});
}

void read_retry(NodeReader& in, const YamlNode& node, const Path& path, Retry& out) {
  auto count = [&](const YamlNode& n, const Path& p) {
    out.count = static_cast<uint32_t>(in.integer(n, p, 0, uint32_max));
  };
  if (node.is_scalar()) return count(node, path);
  in.fields(node, path, {{"count", count}, {"backoff", [&](const auto& n, const Path& p) {
                                              in.duration(n, p, out.backoff);
                                            }}});
}

void read_watchdog(NodeReader& in, const YamlNode& node, const Path& path, Watchdog& out) {
  auto patience = [&](const YamlNode& n, const Path& p) { in.duration(n, p, out.patience); };
  if (node.is_scalar()) return patience(node, path);
  in.fields(node, path, {{"patience", patience}, {"action", [&](const auto& n, const Path& p) {
                                                    std::string text;
                                                    in.text(n, p, text);
                                                    if (auto action = parse_hang_action(text))
                                                      out.action = *action;
                                                    else
                                                      in.fail(n,
                                                              fmt::format("{} is no action", text),
                                                              "report, restart or fail");
                                                  }}});
}

void read_checkpoints(NodeReader& in, const YamlNode& node, const Path& path,
                      std::optional<CheckpointRule>& out) {
  auto& rule = out.emplace();
  auto count = [&](uint32_t& to) {
    return [&in, &to](const YamlNode& n, const Path& p) {
      to = static_cast<uint32_t>(in.integer(n, p, 0, limits::checkpoints_max));
    };
  };
  in.fields(node, path,
            {{"keep_last", count(rule.keep_last)},
             {"keep_best", count(rule.keep_best)},
             {"shards", [&](const YamlNode& n, const Path& p) { in.boolean(n, p, rule.shards); }},
             {"metric", [&](const YamlNode& n, const Path& p) {
                std::string text;
                in.text(n, p, text);
                if (in.error()) return;
                auto metric = parse_metric(text);
                if (metric)
                  rule.metric = std::move(*metric);
                else
                  in.fail(n, metric.error().what, metric.error().hint);
              }}});
}

void read_after(NodeReader& in, const YamlNode& node, const Path& path,
                std::vector<ExperimentId>& out) {
  in.items(node, path, [&](const YamlNode& item, const Path& item_path) {
    std::string text;
    in.text(item, item_path, text);
    auto id = parse_experiment_id(text);
    if (id)
      out.push_back(*id);
    else
      in.fail(item, id.error().what, id.error().hint);
  });
}

/// A continuous range cannot be a grid, and trials are drawn, so these choose random.
std::string default_strategy(const ExperimentSpec& spec, const SweepSpec& sweep) {
  if (!sweep.points.empty()) return "list";
  if (sweep.trials) return "random";
  for (const auto& parameter : spec.parameters) {
    const auto& range = parameter.range;
    if (range && !range->step && !range->count && !(range->min.is_int() && range->max.is_int()))
      return "random";
  }
  return "grid";
}

}  // namespace

void read_commands(NodeReader& in, const YamlNode& node, const std::string& path,
                   std::vector<Command>& out) {
  if (!node.is_list()) {
    Command command;
    in.text(node, path, command.shell);
    out.push_back(std::move(command));
    return;
  }
  in.items(node, path, [&](const YamlNode& item, const Path& item_path) {
    Command command;
    if (item.is_list())
      in.items(item, item_path, [&](const YamlNode& word, const Path& word_path) {
        in.text(word, word_path, command.argv.emplace_back());
      });
    else
      in.text(item, item_path, command.shell);
    out.push_back(std::move(command));
  });
}

void read_submission(NodeReader& in, const YamlNode& root, ProjectFile& out) {
  auto& spec = out.submission.experiment;
  SweepSpec sweep;
  bool has_sweep = false;
  bool has_strategy = false;
  in.fields(
      root, "",
      {{"project", [&](const auto& n, const Path& p) { in.text(n, p, spec.project); }},
       {"name", [&](const auto& n, const Path& p) { in.text(n, p, spec.name); }},
       {"run", [&](const auto& n, const Path& p) { read_commands(in, n, p, spec.run); }},
       {"setup", [&](const auto& n, const Path& p) { read_commands(in, n, p, spec.setup); }},
       {"resources",
        [&](const auto& n, const Path& p) { read_resources(in, n, p, spec.resources); }},
       {"workers", [&](const auto& n, const Path& p) { read_workers(in, n, p, spec.workers); }},
       {"roles", [&](const auto& n, const Path& p) { read_roles(in, n, p, spec.roles); }},
       {"launch", [&](const auto& n, const Path& p) { read_launch(in, n, p, spec.launch); }},
       {"data", [&](const auto& n, const Path& p) { read_data(in, n, p, spec.data); }},
       {"mount_method",
        [&](const auto& n, const Path& p) { read_mount_method(in, n, p, spec.mount_method); }},
       {"parameters",
        [&](const auto& n, const Path& p) { read_parameters(in, n, p, spec, sweep.points); }},
       {"sweep",
        [&](const auto& n, const Path& p) {
          has_sweep = true;
          read_sweep(in, n, p, sweep, has_strategy);
        }},
       {"limits", [&](const auto& n, const Path& p) { read_limits(in, n, p, spec.limits); }},
       {"retry", [&](const auto& n, const Path& p) { read_retry(in, n, p, spec.retry); }},
       {"watchdog", [&](const auto& n, const Path& p) { read_watchdog(in, n, p, spec.watchdog); }},
       {"checkpoints",
        [&](const auto& n, const Path& p) { read_checkpoints(in, n, p, spec.checkpoints); }},
       {"priority",
        [&](const auto& n, const Path& p) {
          spec.priority = static_cast<int32_t>(in.integer(n, p, 0, 100));
        }},
       {"preemptible", [&](const auto& n, const Path& p) { in.boolean(n, p, spec.preemptible); }},
       {"exclusive", [&](const auto& n, const Path& p) { in.boolean(n, p, spec.exclusive); }},
       {"receipt", [&](const auto& n, const Path& p) { in.boolean(n, p, spec.receipt); }},
       {"env", [&](const auto& n, const Path& p) { read_texts(in, n, p, spec.env); }},
       {"labels", [&](const auto& n, const Path& p) { read_texts(in, n, p, spec.labels); }},
       {"after", [&](const auto& n, const Path& p) { read_after(in, n, p, spec.after); }},
       {"seed", [&](const auto& n,
                    const Path& p) { spec.seed = static_cast<uint64_t>(in.integer(n, p, 0)); }},
       {"tasks", [&](const auto& n, const Path& p) {
          in.entries(n, p, [&](const YamlEntry& e, const Path&) { out.tasks.push_back(e.key); });
        }}});
  spec.count_workers();
  if (!has_sweep) {
    if (!sweep.points.empty())
      in.fail(*root.find("parameters"), "listed points are searched by a sweep only",
              "use troupe sweep, or give each parameter one value with --param");
    return;
  }
  if (!has_strategy) sweep.strategy = default_strategy(spec, sweep);
  if (sweep.trials && (sweep.strategy == "grid" || sweep.strategy == "list"))
    out.warnings.push_back(
        fmt::format("strategy {} takes its points in order, and with trials: {} not more of them",
                    sweep.strategy, *sweep.trials));
  out.submission.sweep = std::move(sweep);
}

}  // namespace troupe::config
