// Figures of failures: how soon they are noticed, and when a gang runs again. Machines are
// namespaces on a network that can break; where there can be none, this is skipped.
#include "tests/bench/bench.hpp"
#include "tests/bench/cluster_under_test.hpp"
#include "tests/bench/machines.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

namespace troupe::bench {
namespace {

using namespace std::chrono_literals;

/// Three machines, and a gang of two that is to run for ever.
class Gang : public cluster::LabMachines {
 public:
  Gang() : LabMachines{{"--cpus", "1", "--mem", "1GiB"}} {
    bool good = start_head();
    for (const auto* name : {"w1", "w2", "w3"}) good = good && start_worker(name);
    if (!good) std::exit(1);
    id_ = submit_shell(
        fmt::format("echo $TROUPE_ATTEMPT $RANK $(date +%s%N) >> {}; exec sleep 1000",
                    path("runs")),
        R"(,"workers":{"count":2},"resources":{"cpus":1},"retry":{"count":10,"backoff":"0s"})");
    (void)all_run(1);
    (void)await_state(id_, "RUNNING");
  }

  /// When the last rank of an attempt began, in nanoseconds since 1970.
  int64_t all_run(int attempt) {
    std::map<int, int64_t> ranks;
    bool came = cluster::await(
        [&] {
          for (const auto& line : lines("runs")) {
            std::istringstream text{line};
            int of = 0, rank = 0;
            int64_t time = 0;
            if (text >> of >> rank >> time && of == attempt) ranks.emplace(rank, time);
          }
          return ranks.size() == 2;
        },
        120s);
    if (!came) std::exit(1);
    return std::max(ranks[0], ranks[1]);
  }
  int attempts() {
    auto shown = show(id_);
    const auto* attempts = shown.find("attempts");
    return attempts == nullptr ? 0 : static_cast<int>(attempts->as_list().size());
  }
  /// One of the two that it is on now.
  std::string machine() {
    auto shown = show(id_);
    const auto* jobs = shown.find("jobs");
    return jobs == nullptr ? "" : cluster::text_of(jobs->as_list().back(), "node");
  }
  std::vector<pid_t> ranks() const { return processes_with("TROUPE_ID=" + id_); }
  void back_up(const std::string& name) { (void)await_node(name, "up"); }

 private:
  std::string id_;
};

double ms_since(int64_t began) {
  return static_cast<double>(wall_ns() - began) / 1e6;
}

std::string in_words(std::vector<double> ms) {
  return fmt::format("{:.2f} s, at most {:.2f} s ({} times)", median(ms) / 1e3, largest(ms) / 1e3,
                     ms.size());
}

void worker_killed(int rounds, Gang& gang) {
  std::vector<double> noticed, back;
  auto before = gang.ranks();
  for (int i = 0; i < rounds; ++i) {
    auto name = gang.machine();
    auto began = wall_ns();
    gang.kill_worker(name);
    (void)gang.await_node(name, "suspect");
    noticed.push_back(ms_since(began));
    began = wall_ns();
    (void)gang.start_worker(name);
    back.push_back(ms_since(began));
  }
  row("worker process killed: noticed", in_words(noticed), "1 s");
  row("  started again: known again, its gang undisturbed",
      fmt::format("{}; {}", in_words(back),
                  gang.ranks() == before ? "same processes" : "OTHER PROCESSES"),
      "2 s");
}

void rank_killed(int rounds, Gang& gang) {
  std::vector<double> again;
  for (int i = 0; i < rounds; ++i) {
    auto attempt = gang.attempts();
    auto ranks = gang.ranks();
    auto began = wall_ns();
    ::kill(ranks.back(), SIGKILL);
    again.push_back(static_cast<double>(gang.all_run(attempt + 1) - began) / 1e6);
  }
  row("rank killed: gang running again", in_words(again), "2 s");
}

// The first loss of an experiment is answered at once, further ones after a pause: a fresh one
// each.
void all_killed(int rounds) {
  std::vector<double> again;
  for (int i = 0; i < rounds; ++i) {
    Gang gang;
    auto attempt = gang.attempts();
    auto name = gang.machine();
    auto launchers = gang.launchers_of(name);
    auto began = wall_ns();
    gang.kill_worker(name);
    for (auto pid : launchers) ::kill(pid, SIGKILL);
    (void)gang.start_worker(name, false);
    again.push_back(static_cast<double>(gang.all_run(attempt + 1) - began) / 1e6);
  }
  row("worker, launcher and ranks killed, worker started: gang again", in_words(again), "2 s");
}

void machine_silent(int rounds) {
  std::vector<double> noticed, again;
  for (int i = 0; i < rounds; ++i) {
    Gang gang;
    auto attempt = gang.attempts();
    auto name = gang.machine();
    auto began = wall_ns();
    gang.lab().unplug(name);
    (void)gang.await_node(name, "suspect");
    noticed.push_back(ms_since(began));
    again.push_back(static_cast<double>(gang.all_run(attempt + 1) - began) / 1e6);
  }
  row("silent machine: noticed", in_words(noticed), "5 s");
  row("  gang running again on others", in_words(again), "8 s");
}

void worker_frozen(int rounds, Gang& gang) {
  auto attempt = gang.attempts();
  for (int i = 0; i < rounds; ++i) {
    auto name = gang.machine();
    gang.worker(name).signal(SIGSTOP);
    // tidy: allow sleep: how long it is frozen is what is measured
    ::usleep(9'000'000);
    gang.worker(name).signal(SIGCONT);
    gang.back_up(name);
  }
  row("worker process frozen for 9 s: starts anew",
      fmt::format("{} of {}", gang.attempts() - attempt, rounds), "0");
}

}  // namespace

void bench_failures(bool quick) {
  if (auto why = cluster::Lab::why_not(); !why.empty()) {
    row("failures of machines", "skipped: " + why, "-");
    return;
  }
  int rounds = quick ? 1 : 5;
  {
    Gang gang;
    worker_killed(rounds, gang);
    rank_killed(rounds, gang);
    if (!quick) worker_frozen(2, gang);
  }
  all_killed(quick ? 1 : 3);
  machine_silent(quick ? 1 : 3);
}

void bench_head(bool quick) {
  int running = quick ? 20 : 2000;
  int known = quick ? 1000 : 100'000;
  constexpr int workers = 16;
  Machines machines{workers, (running + workers - 1) / workers};
  auto submit = [&](int count, const char* job) {
    constexpr int at_once = 500;
    for (int done = 0; done < count; done += at_once) {
      std::string body = R"({"submissions":[)";
      for (int i = 0; i < std::min(at_once, count - done); ++i)
        body += fmt::format("{}{}", i == 0 ? "" : ",", job);
      if (machines.connection().request("POST", "/api/v1/experiments:batch", body + "]}").status /
              100 !=
          2)
        std::exit(1);
    }
  };
  auto sleeping = [&] { return machines.processes_with("bench-sleeper"); };
  submit(running,
         R"({"project":"bench","run":[["/bin/sleep","1000"]],"env":{"NAME":"bench-sleeper"}})");
  bool all =
      cluster::await([&] { return sleeping().size() == static_cast<size_t>(running); }, 300s);
  submit(known - running, R"({"project":"bench","run":[["/bin/true"]]})");
  auto before = sleeping();
  std::vector<double> serving, whole;
  for (int round = 0; round < (quick ? 1 : 3); ++round) {
    auto began = now_seconds();
    machines.kill9();
    if (!machines.start_head()) std::exit(1);
    machines.connect();
    machines.connection().request("GET", "/api/v1/experiments?limit=1");
    serving.push_back((now_seconds() - began) * 1e3);
    for (int i = 1; i <= workers; ++i) (void)machines.await_node(fmt::format("w{}", i), "up");
    whole.push_back((now_seconds() - began) * 1e3);
  }
  all = all && sleeping() == before;
  row(fmt::format("head kill -9, {} known, {} running: serving again", known, running),
      in_words(serving), "0.5 s");
  row("  all 16 workers back; running jobs",
      fmt::format("{}; {}", in_words(whole), all ? "none disturbed" : "SOME DISTURBED"),
      "none disturbed");
}

}  // namespace troupe::bench
