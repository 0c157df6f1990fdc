// `troupe head`: the head of a cluster as a daemon: the API, and a port for workers.
#pragma once

#include "runtime/core/node_rules.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/retention_rules.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace troupe {

struct HeadProcessOptions {
  std::string dir;  // made if it is not there
  std::string bind = "127.0.0.1";
  uint16_t port = 7070;
  bool port_given = false;
  std::string cluster_bind;      // empty: as `bind`
  uint16_t cluster_port = 7071;  // 0: a free one
  std::string cluster_address;   // what workers dial; empty: found out
  std::string policy = "fifo";   // of the scheduler, by name
  NodeRules rules;
  RetentionRules retention;
  /// Called once when requests are served: makes the owner's next command find this head.
  std::function<Result<void>(const std::string& url, const std::string& token,
                             const std::string& user)>
      on_ready;
};

/// Runs until SIGINT or SIGTERM; jobs go on without it. 0; 1 for an error that was printed; 5 where
/// another head or `up` has the folder. Must be called before the process has other threads.
int run_head(const HeadProcessOptions& options);

}  // namespace troupe
