// From the death of a process or of a machine to the next generation's first step, of the same
// PyTorch script started by Troupe and by torchrun. What the script itself takes to import PyTorch
// is taken off for both. Machines are namespaces on a network; a machine that dies has its
// processes killed and its cable drawn at once.
#include "tests/bench/bench.hpp"
#include "tests/bench/machines.hpp"
#include "tests/cluster/lab/lab_machines.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

namespace troupe::bench {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const std::string script = std::string{TROUPE_SOURCE} + "/tests/bench/recovery_steps.py";
constexpr const char* python = "/usr/bin/python3";

/// What the script wrote of one rank's generation.
struct Generation {
  int rank = 0;
  int64_t began = 0, imported = 0, step = 0;
};

/// The first steps of both ranks that began after a moment; fewer where they did not come in time.
std::map<int, Generation> await_steps(const std::string& path, size_t ranks, int64_t after,
                                      std::chrono::seconds limit) {
  std::map<int, Generation> found;
  (void)cluster::await(
      [&] {
        found.clear();
        std::ifstream lines{path};
        Generation one;
        while (lines >> one.rank >> one.began >> one.imported >> one.step)
          if (one.began > after) found.insert_or_assign(one.rank, one);
        return found.size() == ranks;
      },
      limit);
  return found;
}

/// Milliseconds from `killed` to the last rank's first step, without the longest import; negative
/// where not all ranks came back.
double recovery_ms(const std::string& path, size_t ranks, int64_t killed,
                   std::chrono::seconds limit) {
  auto steps = await_steps(path, ranks, killed, limit);
  if (steps.size() != ranks) return -1;
  int64_t last = 0, import = 0;
  for (const auto& [rank, one] : steps) {
    last = std::max(last, one.step);
    import = std::max(import, one.imported - one.began);
  }
  return static_cast<double>(last - killed - import) / 1e6;
}

std::string in_words(const std::vector<double>& ms, const std::string& lost) {
  std::vector<double> came;
  for (auto one : ms)
    if (one >= 0) came.push_back(one);
  if (came.empty()) return lost;
  auto text = fmt::format("{:.2f} s, at most {:.2f} s ({} times)", median(came) / 1e3,
                          largest(came) / 1e3, came.size());
  return came.size() == ms.size() ? text : text + fmt::format("; {} lost", ms.size() - came.size());
}

std::string text_of(const fs::path& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Processes that are given this file, and are ranks: what starts them may have it, too.
std::vector<pid_t> ranks_of(const std::string& path) {
  std::vector<pid_t> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{"/proc", error}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && text_of(entry.path() / "cmdline").find(path) != std::string::npos &&
        text_of(entry.path() / "environ").find(std::string{"\0RANK=", 6}) != std::string::npos)
      found.push_back(pid);
  }
  return found;
}

double kill_a_rank(const std::string& steps, size_t ranks) {
  auto killed = wall_ns();
  ::kill(ranks_of(steps).back(), SIGKILL);
  return recovery_ms(steps, ranks, killed, 60s);
}

/// A gang of two on three machines under Troupe, that gives up machines as usual or sooner.
class Trained : public cluster::LabMachines {
 public:
  explicit Trained(const std::string& liveness = "")
      : LabMachines{{"--cpus", "1", "--mem", "2GiB"}, rules(liveness)} {
    good_ = start_head();
    for (const auto* name : {"w1", "w2", "w3"}) good_ = good_ && start_worker(name);
    id_ = submit_shell(fmt::format("exec {} {} {}", python, script, path("steps")),
                       R"(,"workers":{"count":2},"resources":{"cpus":1,"mem":"1GiB"},)"
                       R"("retry":{"count":10,"backoff":"0s"})");
    good_ = good_ && await_steps(path("steps"), 2, 0, 60s).size() == 2;
  }
  bool good() const { return good_; }
  std::string steps() const { return path("steps"); }
  /// The machine of that job.
  std::string machine(size_t job) {
    auto shown = show(id_);
    const auto* jobs = shown.find("jobs");
    return jobs == nullptr ? "" : cluster::text_of(jobs->as_list().at(job), "node");
  }

 private:
  static std::vector<std::string> rules(const std::string& liveness) {
    if (liveness.empty()) return {};
    auto file = fs::temp_directory_path() / fmt::format("troupe-bench-{}.yaml", ::getpid());
    std::ofstream{file} << "liveness: " << liveness << "\n";
    return {"--config", file};
  }

  std::string id_;
  bool good_ = false;
};

double after_rank_lost() {
  Trained gang;
  return gang.good() ? kill_a_rank(gang.steps(), 2) : -1;
}

/// Fresh machines each: the first loss of an experiment is answered at once, further ones after a
/// pause.
double after_machine_lost(size_t job, const std::string& liveness = "") {
  Trained gang{liveness};
  if (!gang.good()) return -1;
  auto name = gang.machine(job);
  auto killed = wall_ns();
  gang.cut_power(name);
  return recovery_ms(gang.steps(), 2, killed, 60s);
}

/// Agents of torchrun on hosts of a lab of their own: the first has the store.
class Torchrun : private cluster::Lab {
 public:
  explicit Torchrun(int agents, int processes) {
    dir_ = fs::temp_directory_path() / fmt::format("troupe-bench-torchrun-{}", ::getpid());
    fs::create_directories(dir_);
    fs::remove(steps());
    // Agents tell each other their hosts' names.
    std::ofstream hosts{dir_ / "hosts"};
    hosts << "127.0.0.1 localhost\n";
    for (int i = 0; i < agents; ++i)
      hosts << fmt::format("{} t{}\n", address(fmt::format("t{}", i)), i);
    hosts.close();
    for (int i = 0; i < agents; ++i) {
      auto host = fmt::format("t{}", i);
      (void)this->host(host).run({"/usr/bin/mount", "--bind", dir_ / "hosts", "/etc/hosts"});
      std::vector<std::string> argv{
          python, "-m", "torch.distributed.run", fmt::format("--nnodes=1:{}", agents),
          fmt::format("--nproc_per_node={}", processes), "--max_restarts=10", "--rdzv_backend=c10d",
          "--rdzv_id=bench", "--rdzv_endpoint=" + address("t0") + ":29411",
          fmt::format("--rdzv_conf=is_host={}", i == 0 ? 1 : 0), "--monitor_interval=0.1",
          // This PyTorch's fails without them.
          "-r", "1", "-t", "1", "--log_dir", dir_ / host, script, steps()};
      agents_.push_back(this->host(host).start(argv, {"PATH=/usr/bin:/bin", "OMP_NUM_THREADS=1"},
                                               dir_, dir_ / (host + ".out"),
                                               dir_ / (host + ".err")));
    }
    ranks_ = static_cast<size_t>(agents * processes);
    good_ = await_steps(steps(), ranks_, 0, 60s).size() == ranks_;
  }
  ~Torchrun() {
    for (auto& agent : agents_) agent.signal(SIGTERM);
    for (auto& agent : agents_) (void)agent.wait(10s);
    for (auto pid : ranks_of(steps())) ::kill(pid, SIGKILL);
    fs::remove_all(dir_);
  }
  Torchrun(const Torchrun&) = delete;
  Torchrun& operator=(const Torchrun&) = delete;

  bool good() const { return good_; }
  std::string steps() const { return dir_ / "steps"; }
  double after_rank_lost() { return good_ ? kill_a_rank(steps(), ranks_) : -1; }
  /// The others go on without it.
  double after_machine_lost(size_t agent) {
    if (!good_) return -1;
    auto killed = wall_ns();
    cut_power(fmt::format("t{}", agent));
    return recovery_ms(steps(), ranks_ - ranks_ / agents_.size(), killed, 120s);
  }

 private:
  fs::path dir_;
  std::vector<cluster::Child> agents_;
  size_t ranks_ = 0;
  bool good_ = false;
};

std::vector<double> several(int rounds, const std::function<double()>& one) {
  std::vector<double> all;
  for (int i = 0; i < rounds; ++i) all.push_back(one());
  return all;
}

}  // namespace

void bench_recovery(bool quick) {
  const std::string figure = "recovery of a training";
  if (auto why = cluster::Lab::why_not(); !why.empty()) return row(figure, "skipped: " + why, "-");
  if (std::system("/usr/bin/python3 -c 'import torch.distributed' 2>/dev/null") != 0)
    return row(figure, "skipped: no PyTorch (scripts/install-packages.sh --peers)", "-");
  int rounds = quick ? 1 : 3;
  row("rank killed -> first step of the next generation",
      in_words(several(rounds, after_rank_lost), "JOB LOST"), "1 s");
  if (quick) return;
  row("  torchrun, one agent",
      in_words(several(rounds,
                       [] {
                         return Torchrun{1, 2}.after_rank_lost();
                       }),
               "job lost"),
      "-");
  row("machine lost -> first step, on another machine",
      in_words(several(rounds, [] { return after_machine_lost(1); }), "JOB LOST"), "3 s");
  const std::string sooner = "{suspect_after: 750ms, lost_after: 3s}";
  row("  with liveness: " + sooner,
      in_words(several(rounds, [&] { return after_machine_lost(1, sooner); }), "JOB LOST"), "3 s");
  row("  torchrun, the second of two agents",
      in_words(several(1,
                       [] {
                         return Torchrun{2, 1}.after_machine_lost(1);
                       }),
               "no step within 2 minutes"),
      "-");
  row("machine of rank 0 lost -> first step",
      in_words(several(rounds, [&] { return after_machine_lost(0, sooner); }), "JOB LOST"),
      "goes on");
  row("  torchrun, the agent with the store",
      in_words(several(1,
                       [] {
                         return Torchrun{2, 1}.after_machine_lost(0);
                       }),
               "no step within 2 minutes"),
      "-");
}

}  // namespace troupe::bench
