// Our own form: JSON lines.
#include "runtime/core/json.hpp"
#include "runtime/core/suggest.hpp"
#include "runtime/core/units.hpp"
#include "runtime/simulate/workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace troupe::simulate {
namespace {

constexpr size_t tasks_max = 10'000'000;
constexpr double number_max = 1e9;

/// One line: takes known keys out of it, and remembers the first thing that is wrong.
class Line {
 public:
  Line(const ValueMap& map, size_t number) : map_{map}, number_{number} {}

  bool has(std::string_view key) {
    known_.push_back(std::string{key});
    return map_.find(key) != map_.end();
  }
  void wrong(std::string_view key, std::string_view wants) {
    if (error_) return;
    error_ =
        Error{Errc::invalid, fmt::format("line {}: {} is not {}", number_, key, wants),
              fmt::format("it says {}", json_text(map_.find(key)->second)), "correct the line"};
  }
  double number(std::string_view key, double otherwise, double min, double max = number_max) {
    if (!has(key)) return otherwise;
    const auto& value = map_.find(key)->second;
    if (value.is_number() && value.as_number() >= min && value.as_number() <= max)
      return value.as_number();
    wrong(key, fmt::format("a number from {} to {}", min, max));
    return otherwise;
  }
  uint32_t count(std::string_view key, uint32_t otherwise, uint32_t min, uint32_t max) {
    auto value = number(key, otherwise, min, max);
    if (value != std::floor(value)) wrong(key, "a whole number");
    return static_cast<uint32_t>(value);
  }
  std::string text(std::string_view key) {
    if (!has(key)) return {};
    const auto& value = map_.find(key)->second;
    if (value.is_string()) return value.as_string();
    wrong(key, "a text");
    return {};
  }
  Time time(std::string_view key) {
    if (!has(key)) return Time{0};
    const auto& value = map_.find(key)->second;
    if (value.is_number() && value.as_number() >= 0 && value.as_number() <= number_max)
      return Time{std::llround(value.as_number() * 1000)};
    if (value.is_string())
      if (auto duration = parse_duration(value.as_string())) return *duration;
    wrong(key, "a time: seconds, or a text like \"1h30m\"");
    return Time{0};
  }
  uint64_t bytes(std::string_view key) {
    auto written = text(key);
    if (written.empty()) return 0;
    auto size = parse_bytes(written);
    if (!size) wrong(key, "a size like \"8GiB\"");
    return size.value_or(0);
  }
  std::map<std::string, std::string> labels(std::string_view key) {
    std::map<std::string, std::string> found;
    if (!has(key)) return found;
    const auto& value = map_.find(key)->second;
    if (!value.is_map()) {
      wrong(key, "a map of texts");
      return found;
    }
    for (const auto& [name, label] : value.as_map()) {
      if (!label.is_string()) wrong(key, "a map of texts");
      found[name] = label.to_text();
    }
    return found;
  }
  /// After all keys were asked for.
  std::optional<Error> error() {
    for (const auto& [key, value] : map_)
      if (!error_ && std::find(known_.begin(), known_.end(), key) == known_.end()) {
        error_ = Error{Errc::invalid, fmt::format("line {}: unknown key {}", number_, key), "",
                       suggestion(key, known_)};
      }
    return error_;
  }

 private:
  const ValueMap& map_;
  size_t number_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

void read_nodes(Line& line, Workload& workload) {
  auto count = line.count("nodes", 1, 1, 100'000);
  schedule::NodeSpec spec;
  auto name = line.text("name");
  spec.gpus = line.count("gpus", 0, 0, 100'000);
  spec.milli_cpus = std::llround(line.number("cpus", 0, 0) * 1000);
  spec.mem = line.bytes("mem");
  spec.gpu_type = line.text("gpu_type");
  spec.gpu_mem = line.bytes("gpu_mem");
  spec.labels = line.labels("labels");
  for (uint32_t i = 0; i < count; ++i) {
    spec.name = fmt::format("{}{:05}", name.empty() ? "n" : name, workload.nodes.size());
    workload.nodes.push_back(spec);
  }
}

std::optional<Error> read_task(Line& line, size_t number, Workload& workload) {
  Task task;
  auto& request = task.request;
  task.name = line.text("name");
  task.at = line.time("at");
  if (!line.has("run"))
    return Error{
        Errc::invalid, fmt::format("line {}: no run", number),
        "a job says how long it runs; a line of nodes has nodes, one of a policy has policy",
        "add \"run\": \"1h\""};
  task.run = line.time("run");
  request.amount.gpus = line.count("gpus", 0, 0, 100'000);
  request.amount.milli_cpus = std::llround(line.number("cpus", 0, 0) * 1000);
  request.amount.mem = line.bytes("mem");
  auto share = line.number("gpu_share", 1, 0.001, 1);
  request.amount.gpu_share = static_cast<uint32_t>(std::lround(share * schedule::whole_gpu));
  if (request.amount.shares() && request.amount.gpus > 1) line.wrong("gpu_share", "for one GPU");
  request.gpu_type = line.text("gpu_type");
  request.gpu_mem = line.bytes("gpu_mem");
  request.labels = line.labels("labels");
  request.workers_min = request.workers_max = line.count("workers", 1, 1, 4096);
  request.priority = static_cast<int32_t>(line.count("priority", 50, 0, 100));
  request.user = line.text("user");
  request.project = line.text("project");
  request.limit = line.time("limit");
  auto count = line.count("count", 1, 1, 1'000'000);
  auto every = line.time("every");
  if (auto error = line.error()) return error;
  if (workload.tasks.size() + count > tasks_max)
    return Error{Errc::exhausted, fmt::format("line {}: too many jobs", number),
                 fmt::format("at most {}", tasks_max), "replay a part of them"};
  for (uint32_t i = 0; i < count; ++i, task.at += every) workload.tasks.push_back(task);
  return std::nullopt;
}

}  // namespace

Result<Workload> read_lines(std::string_view text) {
  Workload workload;
  for (size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    auto written = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto begin = written.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || written[begin] == '#') continue;
    auto value = parse_json(written);
    if (!value || !value->is_map())
      return Error{Errc::invalid, fmt::format("line {} is no JSON object", number),
                   value ? fmt::format("it is a {}", value->kind()) : value.error().detail,
                   "each line is one object, like {\"at\": 0, \"run\": \"1h\", \"gpus\": 1}"};
    Line line{value->as_map(), number};
    if (value->find("nodes") != nullptr) {
      read_nodes(line, workload);
    } else if (value->find("policy") != nullptr) {
      workload.policy = line.text("policy");
      if (auto known = schedule::policy_named(*workload.policy); !known)
        return Error{Errc::invalid, fmt::format("line {}: {}", number, known.error().what),
                     known.error().detail, known.error().hint};
    } else if (auto error = read_task(line, number, workload)) {
      return *error;
    }
    if (auto error = line.error()) return *error;
  }
  keep_slice(workload, 0, workload.tasks.size());
  return workload;
}

}  // namespace troupe::simulate
