// The tables of published traces.
#include "runtime/core/clock.hpp"
#include "runtime/simulate/csv.hpp"
#include "runtime/simulate/workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace troupe::simulate {
namespace {

constexpr double seconds = 1000;  // in milliseconds

Time from_seconds(double value) {
  return Time{std::llround(value * seconds)};
}

/// "2017-09-04 10:30:41", as seconds since 1970.
Result<double> stamp(const Csv& csv, size_t field) {
  std::string text{csv.field(field)};
  if (text.size() == 19) text[10] = 'T';
  auto time = parse_rfc3339(text + "Z");
  if (!time) return csv.error(field, "a time like 2017-09-04 10:30:41");
  return static_cast<double>(time->us) / 1e6;
}

}  // namespace

Result<Workload> read_philly(std::string_view text, bool owners) {
  auto csv = Csv::open(text, "the job table", {"timestamp", "duration", "num_gpus", "cluster"});
  if (!csv) return csv.error();
  Workload workload;
  while (csv->next()) {
    auto at = stamp(*csv, 0);
    if (!at) return at.error();
    auto run = csv->number(1);
    if (!run) return run.error();
    auto gpus = csv->number(2);
    if (!gpus) return gpus.error();
    Task task;
    task.name = fmt::to_string(workload.tasks.size());
    task.at = from_seconds(*at);
    task.run = from_seconds(*run);
    task.request.amount.gpus = static_cast<uint32_t>(*gpus);
    if (owners) task.request.project = csv->field(3);
    workload.tasks.push_back(std::move(task));
  }
  keep_slice(workload, 0, workload.tasks.size());
  return workload;
}

Result<Workload> read_openb(std::string_view nodes, std::string_view tasks) {
  Workload workload;
  auto csv = Csv::open(nodes, "the node table", {"sn", "cpu_milli", "memory_mib", "gpu", "model"});
  if (!csv) return csv.error();
  auto numbers = [&](std::initializer_list<size_t> fields) -> Result<std::vector<double>> {
    std::vector<double> found;
    for (auto field : fields) {
      auto number = csv->number(field);
      if (!number) return number.error();
      found.push_back(*number);
    }
    return found;
  };
  constexpr double mib = 1 << 20;
  while (csv->next()) {
    auto has = numbers({1, 2, 3});
    if (!has) return has.error();
    workload.nodes.push_back({std::string{csv->field(0)},
                              std::llround((*has)[0]),
                              static_cast<uint64_t>((*has)[1] * mib),
                              static_cast<uint32_t>((*has)[2]),
                              std::string{csv->field(4)},
                              {},
                              true});
  }
  csv = Csv::open(tasks, "the task table",
                  {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec",
                   "creation_time", "deletion_time"});
  if (!csv) return csv.error();
  while (csv->next()) {
    if (csv->field(7).empty()) continue;
    auto has = numbers({1, 2, 3, 4, 6, 7});
    if (!has) return has.error();
    const auto& of = *has;
    Task task;
    task.name = csv->field(0);
    auto& amount = task.request.amount;
    amount = {std::llround(of[0]), static_cast<uint64_t>(of[1] * mib),
              static_cast<uint32_t>(of[2])};
    if (amount.gpus == 1 && of[3] > 0) amount.gpu_share = static_cast<uint32_t>(of[3]);
    // Several models are written a|b: any of them; a request names one type or none.
    if (auto model = csv->field(5); model.find('|') == std::string_view::npos)
      task.request.gpu_type = model;
    task.at = from_seconds(of[4]);
    task.run = from_seconds(std::max(0.0, of[5] - of[4]));
    workload.tasks.push_back(std::move(task));
  }
  keep_slice(workload, 0, workload.tasks.size());
  return workload;
}

void split_over_nodes(Workload& workload) {
  uint32_t most = 0;
  for (const auto& node : workload.nodes) most = std::max(most, node.gpus);
  for (auto& task : workload.tasks) {
    auto& request = task.request;
    auto gpus = request.amount.gpus;
    if (most == 0 || gpus <= most || request.workers_min != 1) continue;
    auto workers = (gpus + most - 1) / most;
    while (gpus % workers != 0) ++workers;  // ends at one GPU each at the latest
    request.workers_min = request.workers_max = workers;
    request.amount.gpus = gpus / workers;
  }
}

void inflate(Workload& workload, double demand, uint64_t seed) {
  auto gpus_of = [](const Task& task) {
    const auto& amount = task.request.amount;
    return static_cast<double>(amount.gpus) * amount.gpu_share / schedule::whole_gpu;
  };
  double wanted = 0, asked = 0;
  for (const auto& node : workload.nodes) wanted += demand * node.gpus;
  for (const auto& task : workload.tasks) asked += gpus_of(task);
  const auto count = workload.tasks.size();
  if (count == 0 || asked <= 0) return;
  // Not the distributions of <random>: those differ between standard libraries.
  std::mt19937_64 random{seed};
  while (asked < wanted) {
    workload.tasks.push_back(workload.tasks[random() % count]);
    asked += gpus_of(workload.tasks.back());
  }
  for (size_t i = workload.tasks.size(); i > 1; --i)
    std::swap(workload.tasks[i - 1], workload.tasks[random() % i]);
}

void keep_slice(Workload& workload, size_t first, size_t last) {
  auto& tasks = workload.tasks;
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.at < b.at; });
  last = std::min(last, tasks.size());
  first = std::min(first, last);
  tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(last), tasks.end());
  tasks.erase(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(first));
  if (tasks.empty()) return;
  auto begin = tasks.front().at;
  for (auto& task : tasks) task.at -= begin;
}

}  // namespace troupe::simulate
