// The machines of a simulated cluster: the head's with its disk, and the workers' with theirs. Each
// starts the product's own actors, and can lose its processes, its power, its disk or its sense of
// time.
#pragma once

#include "actors/head/cast.hpp"
#include "actors/head/links.hpp"
#include "actors/worker/worker_context.hpp"
#include "tests/sim/launcher.hpp"
#include "tests/sim/network.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::sim {

/// Something to be done by an actor of the head, such as the gateway would do it.
struct Task {
  std::function<void(caf::event_based_actor*)> run;
};
using TaskRef = actors::Shared<Task>;

}  // namespace troupe::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::sim::TaskRef)

namespace troupe::sim {

/// Where a head writes. Faults are put in here.
struct DiskFaults {
  /// Asked before each commit; an error is the commit's.
  std::function<std::optional<Error>(std::span<const storage::Mutation>)> before;
  /// Told of each commit that is on the disk.
  std::function<void(std::span<const storage::Mutation>, const storage::Committed&)> committed;
  // To break a promise on purpose: a disk that says yes and writes nothing, or something else.
  bool lies = false;
  std::function<void(std::vector<storage::Mutation>&)> distort;
};

class HeadMachine {
  World& world_;  // before the clocks, which are made of it

 public:
  HeadMachine(World& world, Network& network, std::string dir, schedule::Policy policy)
      : world_{world}, network_{network}, dir_{std::move(dir)}, policy_{std::move(policy)} {}
  ~HeadMachine();

  Result<void> start();
  /// Nothing of it is left but what is on its disk.
  void crash();
  bool up() const { return process_ != nobody; }
  ProcessId process() const { return process_; }

  /// What the gateway would ask; only while it is up.
  void ask(std::function<void(caf::event_based_actor*)> what);
  const actors::HeadCast& cast() const { return cast_; }
  const storage::Ledger& ledger() const { return *context_->ledger; }
  const storage::SeriesStore& series() const { return *context_->series; }

  MachineClock clock{world_};
  DiskFaults disk;
  uint64_t commits = 0;

 private:
  Result<storage::Committed> commit(storage::Ledger& ledger,
                                    std::span<const storage::Mutation> mutations);

  Network& network_;
  std::string dir_;
  schedule::Policy policy_;
  ProcessId process_ = nobody;
  actors::HeadContextRef context_;
  actors::HeadCast cast_;
  actors::links_actor links_;
  caf::actor front_;
};

struct MachineSize {
  int64_t milli_cpus = 4000;
  uint64_t mem = 8ull << 30;
  uint32_t gpus = 0;
};

class WorkerMachine {
  World& world_;  // before the clocks, which are made of it

 public:
  WorkerMachine(World& world, Network& network, std::string name, std::string dir, MachineSize size,
                RunWatcher watcher);
  ~WorkerMachine();

  void start();
  /// The worker's process; launcher and jobs go on.
  void crash();
  /// In order, with a goodbye; it has ended some seconds later at the latest.
  void leave();
  void power_off();
  void power_on();
  bool up() const { return process_ != nobody; }
  bool powered() const { return powered_; }
  ProcessId process() const { return process_; }
  const std::string& name() const { return name_; }
  const MachineSize& size() const { return size_; }

  MachineClock clock{world_};
  MachineLauncher launcher;

 private:
  void drop(bool silent);

  Network& network_;
  std::string name_;
  std::string dir_;
  MachineSize size_;
  ProcessId process_ = nobody;
  bool powered_ = true;
  actors::uplink_actor uplink_;
  actors::node_actor node_;
};

}  // namespace troupe::sim
