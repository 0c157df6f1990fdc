// False alarms: machines whose network loses packets, with CPU and disk saturated. Nobody is dead,
// and nobody may be called dead, or even be suspected.
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/machines.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <thread>

namespace troupe::bench {

namespace {

constexpr int workers = 4;
constexpr int loss_percent = 5;  // of each machine's packets, on both ways

/// Twice as many busy loops as there are processors, and four that write and sync.
std::vector<cluster::Child> saturate(const cluster::LabMachines& machines) {
  std::vector<cluster::Child> hogs;
  auto hog = [&](const std::string& script) {
    hogs.emplace_back(std::vector<std::string>{"/bin/sh", "-c", script},
                      std::vector<std::string>{"PATH=/usr/bin:/bin"}, machines.root(), "/dev/null",
                      "/dev/null");
  };
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i) hog("while :; do :; done");
  for (int i = 0; i < 4; ++i)
    hog(fmt::format("while :; do dd if=/dev/zero of={} bs=1M count=256 conv=fsync; done",
                    machines.path(fmt::format("hog{}", i))));
  return hogs;
}

}  // namespace

void bench_alarms(bool quick) {
  if (auto why = cluster::Lab::why_not(); !why.empty()) {
    row("false alarms", "skipped: " + why, "-");
    return;
  }
  const char* asked = std::getenv("TROUPE_BENCH_MINUTES");
  auto seconds = quick ? 5.0 : (asked == nullptr ? 10.0 : std::atof(asked)) * 60;
  cluster::LabMachines machines{{"--cpus", "1", "--mem", "1GiB"}};
  if (!machines.start_head()) std::exit(1);
  for (int i = 1; i <= workers; ++i)
    if (!machines.start_worker(fmt::format("w{}", i))) std::exit(1);
  auto gang = machines.submit_shell("exec sleep 100000",
                                    R"(,"workers":{"count":4},"resources":{"cpus":1})");
  if (!machines.await_state(gang, "RUNNING")) std::exit(1);
  auto hogs = saturate(machines);
  for (int i = 1; i <= workers; ++i) machines.lab().lose(fmt::format("w{}", i), loss_percent);
  int looks = 0, late = 0;
  auto end = now_seconds() + seconds;
  while (now_seconds() < end) {
    for (int i = 1; i <= workers; ++i) {
      ++looks;
      late += machines.node_state(fmt::format("w{}", i)) != "up";
    }
    // tidy: allow sleep: between two looks
    ::usleep(200'000);
  }
  hogs.clear();
  // What was missed between two looks stands in the head's own words.
  auto said = machines.err();
  auto count = [&](const std::string& text) {
    int found = 0;
    for (auto at = said.find(text); at != std::string::npos; at = said.find(text, at + 1)) ++found;
    return found;
  };
  auto shown = machines.show(gang);
  const auto* attempts = shown.find("attempts");
  row(fmt::format("{:.1f} min of saturated CPU and disk, {} % packet loss, {} machines",
                  seconds / 60, loss_percent, workers),
      fmt::format("{} suspected ({} of {} looks), {} lost, {} attempts", count("is suspect"), late,
                  looks, count("is lost"),
                  attempts == nullptr ? size_t{0} : attempts->as_list().size()),
      "0, 0, 1");
}

}  // namespace troupe::bench
