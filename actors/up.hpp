// `troupe up`: a head and its workers in one process, in the foreground, all state in one folder.
#pragma once

#include "runtime/core/binding.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct UpOptions {
  std::string dir;          // made if it is not there
  uint16_t port = 7070;     // 0: a free one
  bool port_given = false;  // otherwise a taken 7070 gives way to a free port
  std::string bind = "127.0.0.1";
  uint32_t workers = 1;
  std::optional<double> cpus;  // of each worker; otherwise the machine's, divided
  std::optional<uint32_t> gpus;
  std::optional<Binding> binding;  // of jobs that ask for none
  uint64_t cache_limit = 0;  // bytes of datasets kept by each; 0: the disk's            // of each
                             // worker; otherwise those found, divided
  std::string policy = "fifo";             // of the scheduler, by name
  std::vector<std::string> launcher_argv;  // starts `troupe launcher`; "--dir D" is added
  /// Called once when requests are served: makes the user's next command find this head.
  std::function<Result<void>(const std::string& url, const std::string& token,
                             const std::string& user)>
      on_ready;
};

/// Runs until SIGINT or SIGTERM. 0; 1 for an error that was printed; 5 where another `up` has the
/// folder. Must be called before the process has other threads.
int run_up(const UpOptions& options);

}  // namespace troupe
