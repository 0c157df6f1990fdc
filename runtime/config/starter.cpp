// What `troupe init` writes, and where a project begins.
#include "runtime/config/project_file.hpp"
#include "runtime/core/submission_check.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace troupe::config {

namespace {

// Runs with /bin/sh and awk alone, so that it works before anything else is installed. The command
// prints one metric line; the braces of its JSON are kept apart from those of placeholders.
constexpr const char* starter_text = R"(# What `troupe run` and `troupe sweep` do in this folder.
# All keys: troupe help file

project: {project}

# One line for the shell. {{{{x}}}} is replaced by the parameter x. A list of lines makes phases.
# A line that is one JSON object with "metric" and "value" is recorded as a metric.
run: |
  awk -v x={{{{x}}}} -v y={{{{y}}}} 'BEGIN {{
    printf "{{\"metric\": \"height\", \"value\": %.6f}}\n", 1 / (1 + (x - 3)^2 + (y + 1)^2)
  }}'

# setup: [pip install -r requirements.txt]     # once per job, before run

# What one worker gets; mem needs a unit.
resources: {{cpus: 1, mem: 256MiB}}

# Each has one value, a list of values, or a range; a run needs one value of each.
#   troupe run --param x=3                      another value for this run
parameters:
  x: 1.0
  y: 0.5                  # or [0.5, 1.0], or {{range: {{min: -2.0, max: 2.0, step: 0.5}}}}

# How `troupe sweep` searches, with ranges here or given to it:
#   troupe sweep --param x=0.0..5.0 --param y=-2.0..2.0
sweep:
  strategy: random        # or grid, or list
  trials: 12
  metric: max.height      # the best member is the one with the highest
  # concurrency: 4        # at most so many at once; else as many as fit
  # stop_when: "height >= 0.9"

# limits: {{running: 1h}}
# retry: {{count: 2, backoff: 30s}}
# watchdog: {{patience: 5m, action: restart}}
# env: {{NAME: value}}
# labels: {{team: vision}}
)";

}  // namespace

std::string starter_project_file(std::string_view project) {
  return fmt::format(fmt::runtime(starter_text), fmt::arg("project", project));
}

std::optional<std::string> find_project_root(const std::string& start) {
  std::error_code code;
  auto folder = std::filesystem::absolute(start, code).lexically_normal();
  if (code) return std::nullopt;
  while (true) {
    if (std::filesystem::is_regular_file(folder / project_file_name, code)) return folder.string();
    auto parent = folder.parent_path();
    if (parent == folder || parent.empty()) return std::nullopt;
    folder = parent;
  }
}

std::string project_name_of(const std::string& folder) {
  auto path = std::filesystem::path{folder}.lexically_normal();
  auto base = path.filename().empty() ? path.parent_path().filename() : path.filename();
  std::string name;
  for (char c : base.string().substr(0, 100)) {
    std::string one(1, c);
    bool fits = is_object_name("a" + one) && (!name.empty() || is_object_name(one));
    if (fits)
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "project" : name;
}

}  // namespace troupe::config
