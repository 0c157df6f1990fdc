// Communicators: all_reduce of float32 beside the best of Open MPI and Gloo, in turns, and beside
// what memory allows when all ranks copy at once. comm_loop.cpp, comm_mpi.c and comm_gloo.py are
// the ranks.
#include "runtime/core/fd.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/ranks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

namespace troupe::bench {

namespace {

struct Times {
  double median = 0, worst = 0;  // microseconds
};
using Series = std::map<std::string, Times>;  // by the argument that the ranks got

/// The lines that a command prints, in the order of its arguments.
Series run(const std::string& command, const std::vector<std::string>& arguments) {
  auto* lines = ::popen(fmt::format("{} 2>/dev/null", command).c_str(), "r");
  Series series;
  unsigned long bytes = 0;
  Times times;
  for (const auto& argument : arguments)
    if (lines != nullptr &&
        std::fscanf(lines, "%lu %lf %lf", &bytes, &times.median, &times.worst) == 3)
      series[argument] = times;
  if (lines == nullptr || ::pclose(lines) != 0 || series.size() != arguments.size()) return {};
  return series;
}

std::string as_mpi(int ranks, const std::string& options, const std::string& program,
                   const std::vector<std::string>& arguments) {
  return fmt::format(
      "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 100 mpirun "
      "--oversubscribe -n {} {} {} {}",
      ranks, options, program, fmt::join(arguments, " "));
}

/// Open MPI's program, compiled here; empty where there is none.
std::string mpi_program() {
  static const std::string program = [] {
    auto path = scratch_folder("comm") + "/comm_mpi";
    auto command =
        fmt::format("mpicc -O2 {}/tests/bench/comm_mpi.c -o {} 2>/dev/null", TROUPE_SOURCE, path);
    return std::system(command.c_str()) == 0 ? path : std::string{};
  }();
  return program;
}

std::string gloo_program() {
  static const std::string program = [] {
    bool has_torch = std::system("/usr/bin/python3 -c 'import torch.distributed' 2>/dev/null") == 0;
    return has_torch ? fmt::format("/usr/bin/python3 {}/tests/bench/comm_gloo.py", TROUPE_SOURCE)
                     : std::string{};
  }();
  return program;
}

struct Results {
  std::string name;
  std::map<std::string, std::vector<double>> medians;

  void add(const Series& series) {
    for (const auto& [argument, times] : series) medians[argument].push_back(times.median);
  }
  std::optional<double> of(const std::string& argument) const {
    auto place = medians.find(argument);
    if (place == medians.end()) return std::nullopt;
    auto all = place->second;
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
  }
};

std::string time_text(double microseconds) {
  return microseconds >= 1000 ? fmt::format("{:.1f} ms", microseconds / 1000)
                              : fmt::format("{:.1f} us", microseconds);
}

/// Ours over the quickest of the others.
std::string beside_best(const Results& ours, const std::vector<Results>& others,
                        const std::string& argument) {
  auto mine = ours.of(argument);
  const Results* best = nullptr;
  for (const auto& other : others)
    if (other.of(argument) && (best == nullptr || *other.of(argument) < *best->of(argument)))
      best = &other;
  if (!mine) return "our ranks failed";
  if (best == nullptr)
    return time_text(*mine) + "; no Open MPI and no Gloo here (install-packages.sh --peers)";
  return fmt::format("{:.2f}x ({} / {} {})", *mine / *best->of(argument), time_text(*mine),
                     time_text(*best->of(argument)), best->name);
}

struct Size {
  const char* name;
  std::string argument, bar;
};

std::vector<std::string> arguments_of(const std::vector<Size>& sizes) {
  std::vector<std::string> all;
  for (const auto& size : sizes) all.push_back(size.argument);
  return all;
}

void bench_memory_transport(bool quick, int ranks) {
  std::vector<Size> sizes{{"64 MiB", quick ? "67108864:2" : "67108864:9", "<= 0.5x"},
                          {"1 MiB", quick ? "1048576:20" : "1048576:300", "<= 1.0x"},
                          {"64 KiB", quick ? "65536:20" : "65536:2000", "<= 1.1x"},
                          {"1 KiB", quick ? "1024:20" : "1024:5000", "<= 1.5x"}};
  auto arguments = arguments_of(sizes);
  auto with_copy = arguments;
  with_copy.push_back("copy=" + sizes[0].argument);
  Results ours{"ours", {}};
  std::vector<Results> others{{"Open MPI", {}}, {"Open MPI without CMA", {}}, {"Gloo", {}}};
  for (int round = 0; round < (quick ? 1 : 3); ++round) {
    ours.add(run(as_ranks(ranks, "TROUPE_COMM_TRANSPORT=memory", COMM_LOOP_PROGRAM, with_copy),
                 with_copy));
    if (auto mpi = mpi_program(); !mpi.empty()) {
      others[0].add(run(as_mpi(ranks, "", mpi, arguments), arguments));
      others[1].add(run(as_mpi(ranks, "--mca btl_vader_single_copy_mechanism none", mpi, arguments),
                        arguments));
    }
    if (auto gloo = gloo_program(); !gloo.empty() && !quick)
      others[2].add(run(as_ranks(ranks, "", gloo, arguments), arguments));
  }
  for (const auto& size : sizes)
    row(fmt::format("all_reduce in one host, {} ranks, {}: time / best library's", ranks,
                    size.name),
        beside_best(ours, others, size.argument), size.bar);
  auto copied = ours.of(with_copy.back()), reduced = ours.of(arguments[0]);
  if (copied && reduced)
    row(fmt::format("  64 MiB: part of what {} copying processes reach", ranks),
        fmt::format("{:.2f} ({} / {})", *copied / *reduced, time_text(*copied),
                    time_text(*reduced)),
        ">= 0.7");
}

void bench_tcp_transport(bool quick, int ranks) {
  std::vector<Size> sizes{{"64 MiB", quick ? "67108864:2" : "67108864:7", "<= 0.9x"},
                          {"1 KiB", quick ? "1024:20" : "1024:2000", "<= 1.5x"}};
  auto arguments = arguments_of(sizes);
  std::vector<std::string> small{arguments[1]};
  Results ours{"ours", {}}, parked{"ours, parked", {}};
  std::vector<Results> others{{"Open MPI", {}}, {"Gloo", {}}};
  const std::string tcp = "TROUPE_COMM_TRANSPORT=tcp";
  for (int round = 0; round < (quick ? 1 : 3); ++round) {
    ours.add(run(as_ranks(ranks, tcp, COMM_LOOP_PROGRAM, arguments), arguments));
    parked.add(run(as_ranks(ranks, tcp + " COMM_LOOP_SPINS=0", COMM_LOOP_PROGRAM, small), small));
    if (auto mpi = mpi_program(); !mpi.empty())
      others[0].add(
          run(as_mpi(ranks, "--mca btl tcp,self --mca pml ob1", mpi, arguments), arguments));
    if (auto gloo = gloo_program(); !gloo.empty() && !quick)
      others[1].add(run(as_ranks(ranks, "", gloo, arguments), arguments));
  }
  for (const auto& size : sizes)
    row(fmt::format("all_reduce by TCP loopback, {} ranks, {}: time / best library's", ranks,
                    size.name),
        beside_best(ours, others, size.argument), size.bar);
  row("  1 KiB, ranks that sleep at once", beside_best(parked, others, small[0]), "<= 5x");
}

/// Worst over median of the calls of a series, or nothing where the ranks failed.
std::vector<double> worst_ratios(const std::string& command,
                                 const std::vector<std::string>& arguments, int series_count) {
  std::vector<double> ratios;
  for (int i = 0; i < series_count; ++i) {
    auto series = run(command, arguments);
    if (series.empty()) return {};
    ratios.push_back(series.begin()->second.worst / series.begin()->second.median);
  }
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

/// One core is taken by a process that only counts. The machine itself may be taken away for some
/// milliseconds, so beside it what the same series give without that process.
void bench_taken_core(bool quick, int ranks) {
  std::vector<std::string> arguments{quick ? "1048576:20" : "1048576:200"};
  auto command = as_ranks(ranks, "", COMM_LOOP_PROGRAM, arguments);
  auto beside_work = fmt::format(
      "{{ sh -c \"exec timeout 60 sh -c \\\"while :; do :; done\\\"\" & work=$!; {}; code=$?; kill "
      "$work; (exit $code); }}",
      command);
  const int series_count = quick ? 1 : 9;
  auto taken = worst_ratios(beside_work, arguments, series_count);
  auto free = worst_ratios(command, arguments, series_count);
  if (taken.empty() || free.empty()) return row("one core taken away", "our ranks failed", "-");
  row(fmt::format("all_reduce in one host, {} ranks, 1 MiB, one core taken: worst / median of a "
                  "series, median and most of {}",
                  ranks, series_count),
      fmt::format("{:.1f}x, {:.1f}x; without that: {:.1f}x, {:.1f}x", taken[taken.size() / 2],
                  taken.back(), free[free.size() / 2], free.back()),
      "<= 3x");
}

}  // namespace

void bench_comm(bool quick) {
  const std::vector<int> worlds = quick ? std::vector{2} : std::vector{2, 4};
  for (int ranks : worlds) bench_memory_transport(quick, ranks);
  for (int ranks : worlds) bench_tcp_transport(quick, ranks);
  bench_taken_core(quick, worlds.back());
}

}  // namespace troupe::bench
