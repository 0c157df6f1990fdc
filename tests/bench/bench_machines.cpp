// Figures of a cluster of sixteen workers beside Slurm with sixteen agents, in turn, on the same
// machine.
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/machines.hpp"
#include "tests/bench/slurm.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

namespace troupe::bench {
namespace {

constexpr int workers = 16;
constexpr int cpus = 4;
// Ranks of a gang run on while others start, as they do in life: an end costs what a start costs.
constexpr const char* stay_ms = "100";

double jobs_a_second(Machines& machines, int jobs) {
  auto body = fmt::format(
      R"({{"project":"bench","run":": {{{{x}}}}","parameters":[{{"name":"x","range":{{"min":1,"max":{}}}}}],"sweep":{{"strategy":"grid"}}}})",
      jobs);
  auto began = now_seconds();
  auto response = machines.connection().request("POST", "/api/v1/sets", body);
  if (response.status / 100 != 2) {
    fmt::print("{}\n", response.body);
    std::exit(1);
  }
  machines.await_idle();
  return jobs / (now_seconds() - began);
}

/// From the call to each of the stamps, in milliseconds.
struct Start {
  double first = 0, last = 0;
};

template <class Submit>
Start start_of(const std::string& stamps, int tasks, Submit submit) {
  std::filesystem::remove(stamps);
  auto began = wall_ns();
  submit();
  (void)cluster::await([&] { return read_stamps(stamps).size() == static_cast<size_t>(tasks); });
  auto all = read_stamps(stamps);
  if (all.empty()) std::exit(1);
  return {static_cast<double>(all.front() - began) / 1e6,
          static_cast<double>(all.back() - began) / 1e6};
}

Start through_api(Machines& machines, int tasks) {
  auto stamps = machines.path("stamps");
  // A whole worker each, so that they are on as many.
  auto body = fmt::format(
      R"({{"project":"bench","run":[["{}","{}","{}"]],"workers":{{"count":{}}},"resources":{{"cpus":{}}}}})",
      STAMP_PROGRAM, stamps, stay_ms, tasks, cpus);
  auto start = start_of(
      stamps, tasks, [&] { machines.connection().request("POST", "/api/v1/experiments", body); });
  machines.await_idle();
  return start;
}

Start through_cli(Machines& machines) {
  auto stamps = machines.path("stamps");
  auto start = start_of(stamps, 1, [&] {
    machines.cli({"run", "-d", "--no-code", "--", STAMP_PROGRAM, stamps});
  });
  machines.await_idle();
  return start;
}

void start_peer(std::optional<Slurm>& slurm) {
  if (auto why = Slurm::why_not(); why.empty())
    slurm.emplace(workers);
  else
    fmt::print("without Slurm: {}\n", why);
}

}  // namespace

void bench_machines(bool quick) {
  std::optional<Slurm> slurm;
  start_peer(slurm);
  Machines machines{workers, cpus};
  for (int jobs : quick ? std::vector{20} : std::vector{500, 5000}) {
    std::vector<double> ours, theirs;
    for (int round = 0; round < (quick || jobs > 1000 ? 1 : 3); ++round) {
      ours.push_back(jobs_a_second(machines, jobs));
      if (slurm) theirs.push_back(slurm->jobs_a_second(jobs));
    }
    row(fmt::format("{} jobs that do nothing, {} workers / Slurm, jobs/s", jobs, workers),
        slurm ? fmt::format("{:.1f}x ({:.0f} / {:.0f})", median(ours) / median(theirs),
                            median(ours), median(theirs))
              : fmt::format("{:.0f}", median(ours)),
        "8x");
  }
}

void bench_starts(bool quick) {
  std::optional<Slurm> slurm;
  start_peer(slurm);
  Machines machines{workers, cpus};
  std::vector<double> api, cli, srun, gang, gang_skew, srun_gang, srun_skew;
  auto peer = machines.path("peer");
  int rounds = quick ? 3 : 40;
  for (int i = 0; i < rounds; ++i) {
    api.push_back(through_api(machines, 1).last);
    cli.push_back(through_cli(machines).last);
    auto all = through_api(machines, workers);
    gang.push_back(all.last);
    gang_skew.push_back(all.last - all.first);
    if (!slurm) continue;
    srun.push_back(start_of(peer, 1, [&] { slurm->run_stamps(1, peer, stay_ms); }).last);
    all = start_of(peer, workers, [&] { slurm->run_stamps(workers, peer, stay_ms); });
    srun_gang.push_back(all.last);
    srun_skew.push_back(all.last - all.first);
    slurm->await_idle();  // what its daemons still do would be in our figures
  }
  auto beside = [&](double ours, const std::vector<double>& theirs) {
    return theirs.empty() ? fmt::format("{:.1f} ms", ours)
                          : fmt::format("{:.2f}x ({:.1f} / {:.1f} ms)", ours / median(theirs), ours,
                                        median(theirs));
  };
  row("submit to first instruction, 16 workers, API / srun -n1, p50", beside(median(api), srun),
      "0.3x");
  row("  the same by `troupe run -d`", beside(median(cli), srun), "0.3x");
  row("gang over 16 workers to all ranks running / srun -N16, p50", beside(median(gang), srun_gang),
      "0.2x");
  row("  first rank to last, p50 and largest",
      fmt::format("{:.1f} ms, {:.1f} ms (Slurm: {:.1f} ms)", median(gang_skew), largest(gang_skew),
                  median(srun_skew)),
      "5 ms");
}

}  // namespace troupe::bench
