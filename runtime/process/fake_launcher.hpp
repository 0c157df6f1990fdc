// A launcher without processes for tests of actors: synchronous, does what its script says, and
// remembers what it was asked. Not safe from several threads.
#pragma once

#include "runtime/process/launcher.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::process {

class FakeLauncher final : public Launcher {
 public:
  explicit FakeLauncher(LauncherEvents events, Clock& clock)
      : events_{std::move(events)}, clock_{clock} {}

  /// What becomes of the runs started from now on. `running`: they go on until end() or stop().
  struct Script {
    RunState state = RunState::running;
    int32_t code = 0;
    std::optional<Error> error;  // of not_started
    bool ignores_stop = false;   // goes on until end() is called
  };
  void script(Script script) { script_ = std::move(script); }

  // What was asked, in order.
  std::vector<RunRequest> started;
  std::vector<std::pair<std::string, Duration>> stopped;
  std::vector<std::string> forgotten;
  std::vector<std::chrono::nanoseconds> renewed;

  void start(RunRequest request) override {
    started.push_back(request);
    begin(request);
  }

 private:
  void begin(const RunRequest& request) {
    if (!connected_) return waiting_.push_back(request);
    if (auto known = runs_.find(request.key); known != runs_.end()) return tell(known->second);
    RunStatus status;
    status.key = request.key;
    status.started = clock_.now();
    if (script_.state == RunState::not_started) {
      status.state = RunState::not_started;
      status.error = script_.error;
      status.ended = status.started;
      runs_[status.key] = status;
      return tell(status);
    }
    for (size_t rank = 0; rank < request.processes.size(); ++rank)
      status.pids.push_back(next_pid_++);
    runs_[status.key] = status;
    tell(status);
    if (script_.state == RunState::ended) end(request.key, script_.code);
  }

 public:
  void renew(std::chrono::nanoseconds until) override { renewed.push_back(until); }
  void stop(const std::string& key, Duration grace) override {
    stopped.emplace_back(key, grace);
    auto run = runs_.find(key);
    if (run == runs_.end() || run->second.state != RunState::running) return;
    run->second.stopped = true;
    if (!script_.ignores_stop) end(key, 0, 15);
  }

  void forget(const std::string& key) override {
    forgotten.push_back(key);
    auto run = runs_.find(key);
    if (run != runs_.end() && run->second.state != RunState::running) runs_.erase(run);
  }

  /// The run ends with this code or signal in every rank.
  void end(const std::string& key, int32_t code, int32_t signal = 0) {
    auto& status = runs_.at(key);
    status.state = RunState::ended;
    status.ended = clock_.now();
    status.exits.assign(status.pids.size(), {code, signal, status.ended});
    if (code != 0 || signal != 0) status.first_failed = 0;
    status.pids.clear();
    if (connected_) tell(status);
  }
  void log_grew(const std::string& key, uint64_t bytes) {
    runs_.at(key).log_bytes = bytes;
    if (connected_ && events_.logged) events_.logged(key, bytes);
  }
  /// The launcher went away; what runs goes on, and reconnect() reports it.
  void disconnect() {
    connected_ = false;
    if (events_.lost) events_.lost({Errc::unavailable, "the launcher is gone", "scripted", ""});
  }
  void reconnect() {
    connected_ = true;
    std::vector<RunStatus> all;
    for (auto& [key, status] : runs_) all.push_back(status);
    if (events_.connected) events_.connected(std::move(all));
    for (auto& request : std::exchange(waiting_, {})) begin(request);
  }
  const std::map<std::string, RunStatus>& runs() const { return runs_; }

 private:
  void tell(RunStatus status) {  // a copy: an event may forget the run
    auto& event = status.state == RunState::running ? events_.started : events_.ended;
    if (event) event(status);
  }

  LauncherEvents events_;
  Clock& clock_;
  Script script_;
  std::map<std::string, RunStatus> runs_;
  std::vector<RunRequest> waiting_;  // asked while disconnected
  int32_t next_pid_ = 1000;
  bool connected_ = true;
};

}  // namespace troupe::process
