// Slurm as a peer: its controller and sixteen of its agents on this machine, as tuned as Debian
// 12's 22.05 gets for short jobs, with keys and state in a scratch folder. Ended with the object.
#pragma once

#include "tests/cluster/harness.hpp"

#include <string>
#include <vector>

namespace troupe::bench {

class Slurm {
 public:
  /// Why there is none here; "" where there is.
  static std::string why_not();

  explicit Slurm(int agents);
  ~Slurm();
  Slurm(const Slurm&) = delete;
  Slurm& operator=(const Slurm&) = delete;

  /// From `sbatch` of an array of jobs that do nothing to an empty queue.
  double jobs_a_second(int jobs);
  /// `srun` of a program that appends the time of its first instruction to `stamps`.
  void run_stamps(int tasks, const std::string& stamps, const std::string& stay_ms);
  void await_idle();

 private:
  void start(std::vector<std::string> argv);
  /// A command that is waited for; what it said.
  std::string command(std::vector<std::string> argv);
  std::string configuration() const;

  int agents_;
  std::string dir_;
  std::vector<std::string> environment_;
  std::vector<cluster::Child> daemons_;  // the newest ends first
};

}  // namespace troupe::bench
