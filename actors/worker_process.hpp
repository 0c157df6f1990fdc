// `troupe worker`: one machine's worker as a daemon, linked to a head elsewhere.
#pragma once

#include "runtime/core/binding.hpp"
#include "runtime/core/mount_method.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct WorkerProcessOptions {
  std::string dir;                    // made if it is not there
  std::string head;                   // HOST:PORT; empty: the token's, or the one joined before
  std::string join_token_file;        // needed at the first start alone
  std::string name;                   // empty: the host's
  std::string outputs;                // empty: <dir>/outputs
  std::string address;                // of this machine for the ranks of gangs; empty: found out
  std::optional<uint16_t> data_port;  // where others get blocks; 0: any; absent: 7072 or any
  uint64_t cache_limit = 0;           // bytes of datasets kept; 0: the disk's
  std::optional<double> cpus;         // otherwise what the machine has
  std::optional<uint64_t> mem;
  std::optional<uint32_t> gpus;
  std::optional<MountMethod> mount_method;  // of jobs that ask for none
  std::optional<Binding> binding;           // likewise
  std::map<std::string, std::string> labels;
  std::vector<std::string> launcher_argv;  // starts `troupe launcher`; "--dir D" is added
};

/// Runs until SIGINT or SIGTERM; jobs and their launcher go on without it. 0; 1 for an error that
/// was printed; 5 where another worker has the folder, or the head refuses this one. Must be called
/// before the process has other threads.
int run_worker(const WorkerProcessOptions& options);

}  // namespace troupe
