#include "tests/sim/simulation.hpp"

#include "runtime/core/assert.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <sys/stat.h>

namespace troupe::sim {

namespace {

using namespace actors;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// After the last fault. Several restarts of each experiment with their pauses fit in, one behind
/// the other.
constexpr Nanos patience = minutes{15};
/// What has no part in any experiment any more is gone by then.
constexpr Nanos settled_after = seconds{25};
/// More messages at one moment than any cluster of this size has reason for.
constexpr uint64_t steps_at_once_max = 200'000;

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options);
  Outcome run();

 private:
  void make_workers();
  bool go_on(Nanos until);
  void look_at_books();
  void explain_stuck();
  void check_rest();
  schedule::Policy draw_policy();

  const SimulationOptions& options_;
  World world_;
  Random random_;
  Network network_{world_};
  Checker checker_{world_};
  HeadMachine head_;
  std::vector<std::unique_ptr<WorkerMachine>> workers_;
};

Simulation::Simulation(const SimulationOptions& options)
    : options_{options},
      world_{options.seed},
      random_{world_.random().fork()},
      head_{world_, network_, options.dir + "/head", draw_policy()} {
  world_.set_tracing(options.tracing);
  network_.linked = [this](const std::string& machine) { checker_.linked(machine); };
  head_.disk.committed = [this](auto mutations, const auto& range) {
    checker_.committed(mutations, range, head_.series());
  };
}

schedule::Policy Simulation::draw_policy() {
  auto policy = *schedule::policy_named(
      random_.pick(std::vector<std::string>{"fifo", "backfill", "greedy", "attained"}));
  if (policy.preempt && random_.chance(0.7)) policy.slice = milliseconds{random_.below(5000)};
  return policy;
}

void Simulation::make_workers() {
  RunWatcher watcher;
  watcher.began = [this](const auto& machine, const auto& key, auto phase) {
    checker_.run_began(machine, key, phase);
  };
  watcher.ended = [this](const auto& machine, const auto& key, auto phase, const auto& status) {
    checker_.run_ended(machine, key, phase, status);
  };
  auto count = random_.between(1, 4);
  bool any_gpus = random_.chance(0.5);
  for (uint64_t i = 0; i < count; ++i) {
    MachineSize size;
    size.milli_cpus = static_cast<int64_t>(random_.between(2, 8)) * 1000;
    if (any_gpus) size.gpus = static_cast<uint32_t>(random_.between(1, 4));
    auto name = fmt::format("w{}", i + 1);
    checker_.add_machine(name, size);
    workers_.push_back(std::make_unique<WorkerMachine>(world_, network_, name,
                                                       options_.dir + "/" + name, size, watcher));
  }
}

/// False: it broke a promise, or there is no end to its messages.
bool Simulation::go_on(Nanos until) {
  auto moment = world_.now();
  auto begun = world_.steps();
  while (checker_.failures().empty() && world_.step(until)) {
    if (world_.now() != moment) {
      moment = world_.now();
      begun = world_.steps();
    } else if (world_.steps() - begun > steps_at_once_max) {
      checker_.fail("messages without end at one moment");
    }
  }
  return checker_.failures().empty();
}

void Simulation::look_at_books() {
  if (head_.up())
    head_.ask([this](caf::event_based_actor* self) {
      self->request(head_.cast().scheduler, seconds{3}, nodes_atom_v)
          .then([this](const NodeViewsRef& nodes) { checker_.books(*nodes); }, [](caf::error&) {});
    });
  world_.after(milliseconds{100}, [this] { look_at_books(); });
}

/// Of what did not end in time: what it waits for.
void Simulation::explain_stuck() {
  std::vector<std::string> lines;
  head_.ask([&](caf::event_based_actor* self) {
    for (const auto& [id, record] : checker_.experiments()) {
      if (is_terminal(record.state)) continue;
      self->request(head_.cast().director, seconds{3}, why_atom_v, id)
          .then(
              [&lines, name = to_string(id)](const WaitingRef& waiting) {
                for (const auto& reason : waiting->reasons)
                  lines.push_back(fmt::format("{} waits: {}", name, reason));
              },
              [&lines, name = to_string(id)](caf::error& e) {
                lines.push_back(fmt::format("{}: {}", name, to_string(from_caf(e, "why"))));
              });
    }
  });
  go_on(world_.now() + seconds{4});
  for (const auto& line : lines) checker_.fail(line);
}

/// Nothing is left of anything.
void Simulation::check_rest() {
  if (!checker_.all_ended()) explain_stuck();
  checker_.finished(head_.ledger(), head_.series());
  for (const auto& worker : workers_)
    for (const auto& run : worker->launcher.kept())
      checker_.fail(fmt::format("the launcher of {} still keeps {}", worker->name(), run));
  uint64_t answers = 0;
  head_.ask([&](caf::event_based_actor* self) {
    self->request(head_.cast().registry, seconds{3}, nodes_atom_v)
        .then(
            [&](const NodeViewsRef& nodes) {
              ++answers;
              if (nodes->size() != workers_.size())
                checker_.fail(fmt::format("{} nodes of {}", nodes->size(), workers_.size()));
              for (const auto& node : *nodes)
                if (node.state != "up" || node.cpus_used > 0 || node.gpus_used > 0 ||
                    node.mem_used > 0 || node.jobs > 0)
                  checker_.fail(fmt::format("{} is {} ({}); {} jobs hold {} cpus", node.name,
                                            node.state, node.reason, node.jobs, node.cpus_used));
            },
            [](caf::error&) {});
    self->request(head_.cast().director, seconds{3}, status_atom_v)
        .then(
            [&](const std::string& status) {
              ++answers;
              if (!status.starts_with("0 running, 0 sets"))
                checker_.fail("the director says: " + status);
            },
            [](caf::error&) {});
  });
  bool good = checker_.failures().empty();
  go_on(world_.now() + seconds{4});
  if (good && answers != 2) checker_.fail("the head does not answer");
}

Outcome Simulation::run() {
  make_workers();
  std::vector<std::string> names;
  std::vector<MachineSize> sizes;
  for (const auto& worker : workers_) {
    names.push_back(worker->name());
    sizes.push_back(worker->size());
  }
  Workload workload{world_, head_, checker_, names, sizes};
  Faults faults{world_, network_, head_, workers_, checker_};
  auto started = head_.start();
  TROUPE_ASSERT(started, options_.dir);
  checker_.head_started(head_.ledger());
  for (auto& worker : workers_) {
    network_.set_delay(worker->name(), std::chrono::microseconds{100}, milliseconds{1});
    worker->start();
  }
  if (options_.sabotage) options_.sabotage(network_, head_);
  look_at_books();
  go_on(seconds{2});
  Nanos span = random_.between(seconds{10}, seconds{50});
  if (random_.chance(0.2)) span *= 3;
  workload.begin(span);
  if (options_.faults) faults.begin(span);
  go_on(world_.now() + span);
  faults.heal();
  workload.wind_down();
  auto give_up = world_.now() + patience;
  while (world_.now() < give_up && !(checker_.all_ended() && workload.answered()) &&
         go_on(world_.now() + seconds{1})) {
  }
  if (go_on(world_.now() + settled_after)) check_rest();

  Outcome outcome;
  outcome.failures = checker_.failures();
  outcome.history = world_.history();
  outcome.steps = world_.steps();
  outcome.commits = head_.commits;
  outcome.messages = network_.messages();
  outcome.links = network_.links();
  outcome.submissions = workload.submissions();
  outcome.acknowledged = workload.acknowledged();
  outcome.experiments = checker_.experiments().size();
  for (const auto& [id, record] : checker_.experiments())
    if (!record.attempts.empty()) outcome.attempts += record.attempts.back().number;
  outcome.faults = faults.counts();
  outcome.virtual_seconds = static_cast<double>(world_.now().count()) / 1e9;
  // What is still on its way speaks to the workload, which ends here.
  if (head_.up()) head_.crash();
  return outcome;
}

}  // namespace

std::string memory_folder() {
  struct stat info {};
  return ::stat("/dev/shm", &info) == 0 ? "/dev/shm" : "/tmp";
}

Outcome simulate(const SimulationOptions& options) {
  (void)remove_tree(options.dir);
  auto made = make_dirs(options.dir + "/head", 0755);
  TROUPE_ASSERT(made, options.dir);
  Outcome outcome;
  {
    Simulation simulation{options};
    outcome = simulation.run();
  }
  (void)remove_tree(options.dir);
  return outcome;
}

}  // namespace troupe::sim
