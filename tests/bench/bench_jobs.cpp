// Figures of running jobs: throughput beside a bare spawn loop, and submit to first instruction.
#include "runtime/core/fd.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/machines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace troupe::bench {

namespace {

constexpr int slots = 4;

double bare_loop(int jobs) {
  char name[] = "/bin/true";
  char* argv[] = {name, nullptr};
  int running = 0;
  int started = 0;
  auto began = now_seconds();
  for (int done = 0; done < jobs; ++done) {
    while (running < slots && started < jobs) {
      pid_t pid = 0;
      if (::posix_spawn(&pid, "/bin/true", nullptr, nullptr, argv, environ) != 0) std::exit(1);
      ++running;
      ++started;
    }
    ::wait(nullptr);
    --running;
  }
  return jobs / (now_seconds() - began);
}

std::string true_job() {
  return R"({"project":"bench","run":[["/bin/true"]]})";
}

double through_troupe(int jobs, bool as_set) {
  ClusterUnderTest cluster{{"--cpus", fmt::to_string(slots)}};
  HttpConnection connection{cluster.port(), cluster.token()};
  auto began = now_seconds();
  if (as_set) {
    auto body = fmt::format(
        R"({{"project":"bench","run":"true {{{{x}}}}","parameters":[{{"name":"x","range":{{"min":1,"max":{}}}}}],"sweep":{{"strategy":"grid"}}}})",
        jobs);
    auto response = connection.request("POST", "/api/v1/sets", body);
    if (response.status / 100 != 2) {
      fmt::print("{}\n", response.body);
      std::exit(1);
    }
  } else {
    constexpr int at_once = 100;
    for (int done = 0; done < jobs; done += at_once) {
      std::string body = R"({"submissions":[)";
      for (int i = 0; i < at_once && done + i < jobs; ++i) body += (i == 0 ? "" : ",") + true_job();
      auto response = connection.request("POST", "/api/v1/experiments:batch", body + "]}");
      if (response.status / 100 != 2) {
        fmt::print("{}\n", response.body);
        std::exit(1);
      }
    }
  }
  await_idle(connection);
  return jobs / (now_seconds() - began);
}

}  // namespace

void bench_throughput(bool quick) {
  int jobs = quick ? 100 : 2000;
  double best = 0;
  std::string all;
  for (int round = 0; round < (quick ? 1 : 3); ++round) {
    auto bare = bare_loop(jobs);
    auto troupe = through_troupe(jobs, false);
    best = std::max(best, troupe / bare);
    all += fmt::format("{}{:.0f}/{:.0f}", all.empty() ? "" : ", ", troupe, bare);
  }
  row(fmt::format("{} jobs of true, {} slots: ours / bare spawn loop, jobs/s", jobs, slots),
      fmt::format("{:.2f}x ({})", best, all), "0.5x");
}

void bench_sweep(bool quick) {
  constexpr int places = 16;
  constexpr double seconds = 0.1;
  const int members = quick ? 160 : 10'000;
  ClusterUnderTest cluster{{"--cpus", fmt::to_string(places)}};
  HttpConnection connection{cluster.port(), cluster.token()};
  auto body = fmt::format(
      R"({{"project":"bench","run":[["/bin/sleep","{}"]],"env":{{"X":"{{{{x}}}}"}},"resources":{{"cpus":1,"mem":"16MiB"}},)"
      R"("parameters":[{{"name":"x","range":{{"min":1,"max":{}}}}}],"sweep":{{"strategy":"grid"}}}})",
      seconds, members);
  auto began = now_seconds();
  auto response = connection.request("POST", "/api/v1/sets", body);
  if (response.status / 100 != 2) {
    fmt::print("{}\n", response.body);
    std::exit(1);
  }
  await_idle(connection);
  auto took = now_seconds() - began, ideal = members * seconds / places;
  row(fmt::format("a sweep of {} members of {} s on {} places / its ideal time", members, seconds,
                  places),
      fmt::format("{:.3f}x ({:.1f} s)", took / ideal, took), "1.1x");
}

void bench_start_latency(bool quick) {
  int rounds = quick ? 5 : 100;
  ClusterUnderTest cluster;
  HttpConnection connection{cluster.port(), cluster.token()};
  auto stamps = cluster.dir() + "/stamps";
  auto body = fmt::format(R"({{"project":"bench","run":[["{}","{}"]]}})", STAMP_PROGRAM, stamps);
  std::vector<double> ms;
  for (int i = 0; i < rounds; ++i) {
    auto began = wall_ns();
    connection.request("POST", "/api/v1/experiments", body);
    await_idle(connection);
    auto text = read_file(stamps).value_or("");
    auto line = text.rfind('\n', text.size() - 2);
    auto stamp =
        std::strtoll(text.c_str() + (line == std::string::npos ? 0 : line + 1), nullptr, 10);
    ms.push_back(static_cast<double>(stamp - began) / 1e6);
  }
  std::sort(ms.begin(), ms.end());
  row("submit to first instruction, idle, over the API",
      fmt::format("p50 {:.1f} ms, p99 {:.1f} ms", ms[ms.size() / 2], ms[ms.size() * 99 / 100]),
      "p50 10 ms");
}

void bench_memory(bool quick) {
  int queued = quick ? 1000 : 50'000;
  ClusterUnderTest cluster{{"--cpus", "1"}};
  HttpConnection connection{cluster.port(), cluster.token()};
  auto idle = cluster.resident_bytes();
  connection.request("POST", "/api/v1/experiments", R"({"project":"bench","run":"sleep 1000"})");
  auto before = cluster.resident_bytes();
  constexpr int at_once = 500;
  for (int done = 0; done < queued; done += at_once) {
    std::string body = R"({"submissions":[)";
    for (int i = 0; i < at_once; ++i) body += (i == 0 ? "" : ",") + true_job();
    connection.request("POST", "/api/v1/experiments:batch", body + "]}");
  }
  auto after = cluster.resident_bytes();
  row("memory of `troupe up`, idle", fmt::format("{:.1f} MB", static_cast<double>(idle) / 1e6),
      "40 MB");
  row(fmt::format("memory of each of {} queued experiments", queued),
      fmt::format("{:.0f} B", static_cast<double>(after - std::min(after, before)) / queued),
      "1 kB");
}

}  // namespace troupe::bench
