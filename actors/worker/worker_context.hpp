// What every actor of a worker is given. Nothing in it changes while the worker runs.
#pragma once

#include "actors/messages.hpp"
#include "actors/worker/binding_books.hpp"
#include "actors/worker/code_source.hpp"
#include "actors/worker/data_source.hpp"
#include "actors/worker/environment.hpp"
#include "actors/worker/paths.hpp"
#include "actors/worker/peer_files.hpp"
#include "actors/worker/pulses.hpp"
#include "gpu/device.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/process/launcher.hpp"
#include "runtime/process/port_book.hpp"
#include "runtime/process/run_mounts.hpp"
#include "runtime/process/world_look.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace troupe::actors {

/// Makes the launcher of a node; its events go to that node.
using LauncherFactory = std::function<std::shared_ptr<process::Launcher>(process::LauncherEvents)>;

inline const Error no_private_mounts{Errc::refused, "jobs get no mounts of their own",
                                     "they were not tried", ""};

struct WorkerContext {
  std::string name;
  std::string version;
  int64_t milli_cpus = 0;
  uint64_t mem = 0;
  uint32_t gpus = 0;
  std::string gpu_type;
  uint64_t gpu_mem = 0;  // bytes of each
  std::map<std::string, std::string> labels;
  bool confine = false;         // jobs get cgroup limits for what they asked for
  bool detach_blocking = true;  // false in tests: what blocks runs on the test scheduler too
  WorkerPaths paths;
  WorkerEnvironment environment;
  std::string program;  // `troupe`, for what stands between the launcher and a rank
  std::shared_ptr<Clock> clock;
  LauncherFactory make_launcher;
  Pulses::Looks looks{process::look_at, process::look_at_wait, process::look_at_stack};
  std::shared_ptr<process::PortBook> ports;  // for jobs; null: they get none
  std::function<process::WorldLook(const std::vector<int32_t>& pids, uint16_t port)> look_at_world =
      process::look_at_world;
  hello_port registry;
  report_port director;
  std::shared_ptr<CodeSource> code;
  std::shared_ptr<DataSource> data;
  std::shared_ptr<GivenVersions> given;  // to other workers; null: to none
  BindingRules binding;
  std::shared_ptr<UniqueFd> cores_claim;       // behind BindingRules::cores_are_ours
  std::shared_ptr<gpu::GpuDriver> gpu_driver;  // for its watch alone; null: there are no GPUs
  std::optional<MountMethod> mount_method;     // of jobs that ask for none; none: the best there is
  process::PrivateMounts mounts{no_private_mounts, no_private_mounts};  // what jobs may have
  uint64_t cache_limit = 0;  // bytes of datasets here; 0: the disk's
  std::string data_address;  // HOST:PORT where other workers get blocks; empty: nowhere
  std::string address;       // for the ranks of gangs; empty: of this machine alone
  /// The number of the newest link on which the head has welcomed this node; null: it is here.
  std::shared_ptr<std::atomic<uint64_t>> link;
  bool head_is_remote = false;  // what was sent may be lost with a link: it is kept, and told again
};
using WorkerContextRef = std::shared_ptr<const WorkerContext>;

}  // namespace troupe::actors
