// A real `troupe head` and real `troupe worker`s on loopback, each in a folder of its own, killed
// and started again as a test likes.
#pragma once

#include "tests/cluster/harness.hpp"

#include <map>
#include <string>

namespace troupe::cluster {

class ManyMachines : public UpProcess {
 public:
  explicit ManyMachines(std::vector<std::string> head_args = {},
                        std::vector<std::string> worker_args = {"--cpus", "2", "--mem", "1GiB"})
      : UpProcess{std::move(head_args)}, worker_args_{std::move(worker_args)} {}

  /// Starts the head, or starts it again on the same folder and ports.
  bool start_head();
  /// Joins with a token the first time; later starts find their certificate. Waits until the head
  /// has it, unless `wait` is false.
  bool start_worker(const std::string& name, bool wait = true);
  Child& worker(const std::string& name) { return workers_[name]; }
  void kill_worker(const std::string& name);
  /// Launchers of this worker, which its death leaves behind.
  std::vector<pid_t> launchers_of(const std::string& name) const;
  std::string node_state(const std::string& name);
  bool await_node(const std::string& name, const std::string& state,
                  std::chrono::milliseconds limit = 60s);
  std::string worker_err(const std::string& name) const { return read(name + ".err"); }
  const std::string& cluster_port() const { return cluster_port_; }
  Child start_troupe(const std::vector<std::string>& args, const std::string& name);

 private:
  std::vector<std::string> worker_args_;
  std::string cluster_port_ = "0", port_ = "0";
  std::map<std::string, Child> workers_;
  std::map<std::string, bool> joined_;
};

}  // namespace troupe::cluster
