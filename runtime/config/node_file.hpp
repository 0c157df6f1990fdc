// head.yaml and worker.yaml: how the daemons of a cluster are set up. Pure; what is not in the file
// is absent, and options of the command line win over it.
#pragma once

#include "runtime/core/binding.hpp"
#include "runtime/core/mount_method.hpp"
#include "runtime/core/node_rules.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/retention_rules.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::config {

struct HeadFile {
  std::optional<std::string> dir;
  std::optional<std::string> bind;  // of the API
  std::optional<uint16_t> port;
  std::optional<std::string> cluster_bind;  // of the cluster port
  std::optional<uint16_t> cluster_port;
  std::optional<std::string> cluster_address;  // HOST:PORT that workers dial
  std::optional<std::string> policy;           // of the scheduler, by name
  NodeRules rules;                             // of nodes: liveness, node_failures
  RetentionRules retention;
};

struct WorkerFile {
  std::optional<std::string> head;  // HOST:PORT
  std::optional<std::string> join_token_file;
  std::optional<std::string> dir;
  std::optional<std::string> name;
  std::optional<std::string> outputs;
  std::optional<std::string> address;
  std::optional<uint16_t> data_port;    // where other workers get blocks
  std::optional<uint64_t> cache_limit;  // bytes of datasets kept; 0: the disk's
  std::optional<double> cpus;
  std::optional<uint64_t> mem;
  std::optional<uint32_t> gpus;
  std::optional<MountMethod> mount_method;  // of jobs that ask for none
  std::optional<Binding> binding;           // likewise
  std::map<std::string, std::string> labels;
};

/// Errors name line and column, and the nearest key there is.
Result<HeadFile> parse_head_file(std::string_view text, std::string_view file_name);
Result<WorkerFile> parse_worker_file(std::string_view text, std::string_view file_name);

}  // namespace troupe::config
