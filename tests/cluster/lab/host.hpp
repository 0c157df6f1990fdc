// One machine of the lab: network, process, mount and host-name namespaces of its own, held by a
// first process that only reaps. That process dies with the test program, however that dies, and
// takes the machine along: nothing is ever left to be cleaned up.
#pragma once

#include "tests/cluster/harness.hpp"

#include <functional>
#include <string>
#include <vector>

namespace troupe::cluster {

/// A short command in the namespaces of the calling thread: what it said where it failed, else "".
std::string run_command(const std::vector<std::string>& argv);

class Host {
 public:
  /// Starts it; `name` is what its processes find as the host's. Must be called on a thread that
  /// lives as long as the host is to.
  explicit Host(std::string name);
  ~Host() { end(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  bool running() const { return init_ > 0; }
  const std::string& name() const { return name_; }
  /// Its first process, as this machine numbers it: names the host's namespaces.
  pid_t init() const { return init_; }

  Child start(const std::vector<std::string>& argv, const std::vector<std::string>& env,
              const std::string& cwd, const std::string& out_path, const std::string& err_path);
  /// A short command in it, waited for.
  std::string run(const std::vector<std::string>& argv);
  /// Anything on a thread that stands in the host.
  void inside(const std::function<void()>& action);

  /// All but the first process.
  std::vector<pid_t> processes() const;
  /// The same signal to all of them: SIGSTOP and SIGCONT pause the machine.
  void signal_all(int number) const;
  /// Everything in it ends, as when its power is cut.
  void end();

 private:
  std::string name_;
  pid_t init_ = -1;
};

}  // namespace troupe::cluster
