// The launcher of one simulated machine and the processes it runs. It outlives its workers, keeps
// what ended until it is told to forget it, and after its own death the next one reports what was
// lost, as the real one does with its journal.
#pragma once

#include "actors/worker/run_request.hpp"
#include "runtime/process/launcher.hpp"
#include "tests/sim/jobs.hpp"
#include "tests/sim/world.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

/// Sees what really runs; who checks must not take the product's word for it.
struct RunWatcher {
  std::function<void(const std::string& machine, const JobKey&, uint32_t phase)> began;
  std::function<void(const std::string& machine, const JobKey&, uint32_t phase,
                     const process::RunStatus&)>
      ended;
};

class MachineLauncher {
 public:
  MachineLauncher(World& world, std::string machine, MachineClock& clock, RunWatcher watcher)
      : world_{world},
        random_{world.random().fork()},
        machine_{std::move(machine)},
        clock_{clock},
        watcher_{std::move(watcher)} {}

  /// A worker's handle; its events come as long as that process lives.
  std::shared_ptr<process::Launcher> connect(process::LauncherEvents events, ProcessId worker);

  /// The launcher dies, and its processes with it; a new one follows after `away`.
  void crash(Nanos away);
  /// The machine dies; start() begins again.
  void power_off();
  void start();

  /// Names of the runs it has not been told to forget.
  std::vector<std::string> kept() const;

 private:
  class Client;
  struct Run {
    process::RunStatus status;
    JobScript script;
    JobKey key;
    uint32_t phase = 0;
    uint32_t attempt = 1;
    size_t ranks = 1;
    std::string metrics_path;
    uint64_t life = 0;  // tells one run of a key from a later one
    bool terminated = false;
    Nanos lease_until{0};  // 0: for ever
  };

  void serve(const std::shared_ptr<Client>& client);
  void start_run(const process::RunRequest& request);
  void stop_run(const std::string& key, Duration grace);
  void renew_runs(Nanos until);
  void watch_lease(const std::string& key, uint64_t life);
  void forget_run(const std::string& key);
  void write_metric(const std::string& key, uint64_t life, uint32_t line);
  void end_run(const std::string& key, uint64_t life, int32_t code, int32_t signal,
               std::optional<Error> error = std::nullopt);
  Run* find(const std::string& key, uint64_t life);
  void lose_all();
  void tell(const process::RunStatus& status);

  World& world_;
  Random random_;
  std::string machine_;
  MachineClock& clock_;
  RunWatcher watcher_;
  bool up_ = true;
  std::map<std::string, Run> runs_;
  std::shared_ptr<Client> client_;
  bool served_ = false;  // it has its snapshot, and hears what happens since
  uint64_t lives_ = 0;
};

}  // namespace troupe::sim
