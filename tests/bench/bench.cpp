// Measures what README and docs claim. Each figure stands beside its peer or physical limit, taken
// in the same run: the machines are shared, so only ratios mean anything.
//   troupe_bench [--quick] [FIGURE...]      all of them, or these; a name that there is not lists
//   them
// "dataset" stands for all that begin with "dataset.".
// False alarms are waited for 10 minutes, or TROUPE_BENCH_MINUTES. Peers that are not installed
// (scripts/install-packages.sh --peers) are left out, and that is said.
#include "tests/bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::bench {

void row(const std::string& figure, const std::string& measured, const std::string& bar) {
  fmt::print("{:<58} {:<44} bar: {}\n", figure, measured, bar);
  std::fflush(stdout);
}

}  // namespace troupe::bench

int main(int argc, char** argv) {
  using namespace troupe::bench;
  const std::vector<std::pair<std::string_view, void (*)(bool)>> figures{
      {"throughput", bench_throughput},
      {"sweep", bench_sweep},
      {"latency", bench_start_latency},
      {"submissions", bench_submissions},
      {"history", bench_history},
      {"memory", bench_memory},
      {"grid", bench_grid},
      {"philly", bench_philly},
      {"packing", bench_packing},
      {"kueue", bench_kueue},
      {"decisions", bench_decisions},
      {"control", bench_control},
      {"machines", bench_machines},
      {"starts", bench_starts},
      {"failures", bench_failures},
      {"recovery", bench_recovery},
      {"head", bench_head},
      {"alarms", bench_alarms},
      {"comm", bench_comm},
      {"training.native", bench_training_native},
      {"dataset.records", bench_dataset_records},
      {"dataset.copies", bench_dataset_copies},
      {"dataset.files", bench_dataset_files},
      {"dataset.cold", bench_dataset_cold},
      {"dataset.fill", bench_dataset_fill},
      {"dataset.network", bench_dataset_network},
      {"dataset.packing", bench_dataset_packing},
      {"dataset.python", bench_dataset_python},
      {"hpo.cost", bench_hpo_cost},
      {"hpo.tables", bench_hpo_tables},
      {"hpo.functions", bench_hpo_functions},
      {"hpo.study", bench_hpo_study},
      {"hpo.curves", bench_hpo_curves},
      {"hpo.digits", bench_hpo_digits},
      {"hpo.ask_tell", bench_hpo_ask_tell}};
  bool quick = false;
  std::vector<std::string_view> wanted;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view{argv[i]} == "--quick")
      quick = true;
    else
      wanted.emplace_back(argv[i]);
  }
  auto names = [](std::string_view word, std::string_view name) {
    return word == name || name.starts_with(std::string{word} + ".");
  };
  for (auto word : wanted)
    if (std::none_of(std::begin(figures), std::end(figures),
                     [&](const auto& figure) { return names(word, figure.first); })) {
      fmt::print(stderr, "no figure is called {}; there are:\n", word);
      for (const auto& figure : figures) fmt::print(stderr, "  {}\n", figure.first);
      return 2;
    }
  // The folders of clusters go where there is a disk.
  const char* base = std::getenv("TROUPE_BENCH_DIR");
  ::setenv("TMPDIR", base == nullptr ? "/var/tmp" : base, 0);
  double load[3] = {};
  if (::getloadavg(load, 3) > 0)
    fmt::print("load before: {:.1f} {:.1f} {:.1f}\n", load[0], load[1], load[2]);
  for (const auto& [name, run] : figures) {
    bool all = wanted.empty();
    for (auto word : wanted) all = all || names(word, name);
    if (all) run(quick);
  }
  return 0;
}
