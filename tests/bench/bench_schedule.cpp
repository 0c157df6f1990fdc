// Figures of the scheduler, by replay in virtual time: they depend on no machine.
#include "runtime/schedule/scheduler.hpp"
#include "runtime/simulate/simulation.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/runtime/simulate/traces.hpp"

#include <fmt/format.h>

namespace troupe::bench {
namespace {

void philly(const std::string& table, size_t first, size_t last, const std::string& policy,
            const std::string& bar) {
  auto workload = simulate::read_philly(table).value();
  simulate::keep_slice(workload, first, last);
  workload.nodes = simulate::read_cluster("1x512").value();
  simulate::Options options;
  options.policy = schedule::policy_named(policy).value();
  auto report = simulate::run(workload, options);
  row(fmt::format("Philly jobs {} to {}, 512 GPUs, {}: mean completion", first, last - 1, policy),
      fmt::format(
          "{:.2f} h (p50 {:.0f} min, first start p90 {:.1f} min, max {:.1f} h, longest stall "
          "{:.1f} h, {} stops)",
          report.completion.mean, report.completion.p50 * 60, report.first_wait.p90 * 60,
          report.first_wait.max, report.stall.max, report.stops),
      bar);
}

/// Percent of all GPUs held when the demand that has arrived equals them.
double packed(const simulate::Workload& plain, schedule::Policy policy, uint64_t seed) {
  auto workload = plain;
  simulate::inflate(workload, 1.3, seed);
  schedule::Scheduler scheduler{std::move(policy)};
  for (const auto& node : workload.nodes) scheduler.put_node(node);
  for (const auto& task : plain.tasks) scheduler.expect(task.request);
  double gpus = 0, arrived = 0, held = 0;
  for (const auto& node : workload.nodes) gpus += node.gpus;
  uint64_t id = 0;
  for (const auto& task : workload.tasks) {
    auto request = task.request;
    request.id = {++id, 0};
    auto asks = static_cast<double>(request.amount.gpus) * request.amount.gpu_share / 1000;
    if ((arrived += asks) > gpus) break;
    if (!scheduler.enqueue(request)) continue;
    if (scheduler.schedule().empty())
      scheduler.dequeue(request.id);
    else
      held += asks;
  }
  return 100 * held / gpus;
}

}  // namespace

void bench_packing(bool quick) {
  auto nodes = simulate::trace("openb_node_list_gpu_node.csv.xz");
  auto pods = simulate::trace("openb_pod_list_default.csv.xz");
  if (!nodes || !pods) {
    row("Alibaba 2023 trace", (nodes ? pods : nodes).error().what, "-");
    return;
  }
  auto workload = simulate::read_openb(*nodes, *pods).value();
  for (auto packing :
       {schedule::Policy::Packing::best_fit, schedule::Policy::Packing::fragmentation}) {
    auto policy = schedule::Policy::greedy();
    policy.packing = packing;
    double sum = 0;
    int seeds = quick ? 1 : 10;
    auto began = now_seconds();
    for (int seed = 1; seed <= seeds; ++seed) {
      auto p = packed(workload, policy, static_cast<uint64_t>(seed));
      sum += p;
    }
    bool best_fit = packing == schedule::Policy::Packing::best_fit;
    row(fmt::format("Alibaba 2023, default mix: GPUs held at 100 % demand, {}",
                    best_fit ? "best fit" : "against fragments"),
        fmt::format("{:.2f} % (mean of {}), {:.0f} us a task", sum / seeds, seeds,
                    (now_seconds() - began) * 1e6 / seeds / 8000),
        best_fit ? "-" : ">= 95.2 %");
  }
}

void bench_philly(bool quick) {
  auto table = simulate::trace("philly_first60000.csv.xz");
  if (!table) {
    row("Philly trace", table.error().what, "-");
    return;
  }
  philly(*table, 20'000, 40'000, "attained", "<= 3.00 h, first start <= 24 h");
  if (quick) return;
  philly(*table, 0, 60'000, "attained", "<= 6.5 h, first start <= 24 h");
  for (const auto* policy : {"fifo", "backfill", "greedy"})
    philly(*table, 20'000, 40'000, policy, "-");
}

}  // namespace troupe::bench
