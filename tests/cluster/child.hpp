// A process that a test starts. Its end is awaited with a deadline, never for ever.
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace troupe::cluster {

class Child {
 public:
  Child() = default;
  Child(const std::vector<std::string>& argv, const std::vector<std::string>& env,
        const std::string& cwd, const std::string& out_path, const std::string& err_path);
  ~Child() { (void)kill_and_reap(); }
  Child(Child&& other) noexcept : pid_{std::exchange(other.pid_, -1)} {}
  Child& operator=(Child&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  void signal(int number) const;
  /// Exit code, 128 + signal, or -1 where it still runs after `limit`.
  int wait(std::chrono::milliseconds limit);
  int kill_and_reap();

 private:
  pid_t pid_ = -1;
};

}  // namespace troupe::cluster
