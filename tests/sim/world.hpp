// The machine room of a simulation: one thread, virtual time, and processes that are nothing but
// sets of actors. Which actor goes next is drawn by the seed; a process can be killed between any
// two messages, or stopped for a while. Everything that happens is folded into one hash, so that
// two runs of one seed can be compared.
#pragma once

#include "runtime/cluster/config.hpp"
#include "runtime/core/clock.hpp"
#include "tests/sim/random.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::sim {

using ProcessId = uint32_t;
inline constexpr ProcessId nobody = 0;

class World {
 public:
  explicit World(uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  caf::actor_system& system() { return system_; }
  Random& random() { return random_; }
  Nanos now() const { return now_; }

  /// Calls `what` after so long, when no actor runs.
  void after(Nanos delay, std::function<void()> what);
  /// Calls it behind the message that is being handled.
  void soon(std::function<void()> what) { soon_.push_back(std::move(what)); }

  ProcessId begin_process(std::string name);
  /// What `what` spawns belongs to the process, and so does what that spawns.
  template <class F>
  auto inside(ProcessId process, F&& what) {
    Inside scope{*this, process};
    return what();
  }
  /// Every actor of it is gone without another word. Not from inside of an actor: see soon().
  void kill(ProcessId process);
  void pause(ProcessId process, bool paused);
  bool alive(ProcessId process) const { return processes_.at(process).alive; }
  bool paused(ProcessId process) const { return processes_.at(process).paused; }
  /// Alive, and not stopped.
  bool awake(ProcessId process) const { return alive(process) && !paused(process); }

  /// One message of one actor, or, where all are at rest, the next point of time up to `until`.
  /// False: it is `until`.
  bool step(Nanos until);

  /// Adds to the history; `line` is made only where somebody reads it.
  void note(std::string_view kind, uint64_t a = 0, uint64_t b = 0);
  template <class F>
  void trace(F&& line) {
    if (tracing_) print(line());
  }
  void set_tracing(bool on) { tracing_ = on; }
  uint64_t history() const { return history_; }
  uint64_t steps() const { return steps_; }

 private:
  struct TestConfig : cluster::Config {
    TestConfig() {
      set("scheduler.policy", caf::atom("testing"));
      set("logger.inline-output", true);
    }
  };
  struct Process {
    std::string name;
    bool alive = true;
    bool paused = false;
    std::vector<caf::actor_addr> actors;
  };
  struct Inside {
    Inside(World& world, ProcessId process)
        : world_{world}, before_{std::exchange(world.current_, process)} {}
    ~Inside() {
      world_.adopt();
      world_.current_ = before_;
    }
    World& world_;
    ProcessId before_;
  };

  void adopt();
  ProcessId owner(caf::resumable* job) const;
  bool run_actor();
  void run(size_t job);
  bool pass_time(Nanos until);
  void print(const std::string& line) const;

  TestConfig config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  Random random_;
  Nanos now_{0};
  std::map<std::pair<Nanos, uint64_t>, std::function<void()>> events_;
  uint64_t next_event_ = 0;
  std::vector<std::function<void()>> soon_;
  std::vector<Process> processes_;
  std::unordered_map<caf::actor_id, ProcessId> owners_;
  ProcessId current_ = nobody;
  size_t paused_ = 0;
  uint64_t history_ = 0xcbf29ce484222325;
  uint64_t steps_ = 0;
  bool tracing_ = false;
};

/// The clocks of one machine. Its wall clock can be set, and be wrong, as on any machine; what it
/// measures with cannot.
class MachineClock final : public Clock {
 public:
  explicit MachineClock(const World& world) : world_{world} {}
  Timestamp now() override;
  std::chrono::nanoseconds monotonic() override { return world_.now(); }
  void set_wrong_by(std::chrono::microseconds offset) { offset_us_ = offset.count(); }
  /// Its process ends: the next one does not know what time this one has shown.
  void forget() { last_us_ = 0; }

 private:
  const World& world_;
  int64_t offset_us_ = 0;
  int64_t last_us_ = 0;
};

}  // namespace troupe::sim
