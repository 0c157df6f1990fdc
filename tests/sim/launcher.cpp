#include "tests/sim/launcher.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>

namespace troupe::sim {

namespace {

using std::chrono::milliseconds;

/// A socket of the same machine.
constexpr Nanos hop_least = std::chrono::microseconds{20}, hop_most = milliseconds{3};

std::string variable(const process::ProcessSpec& spec, const std::string& name) {
  for (const auto& entry : spec.env)
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  return {};
}

}  // namespace

/// The worker's end. What it asks for while there is no launcher waits; starts that were not
/// answered are asked again.
class MachineLauncher::Client final : public process::Launcher,
                                      public std::enable_shared_from_this<Client> {
 public:
  Client(MachineLauncher& launcher, process::LauncherEvents events, ProcessId worker)
      : launcher_{launcher}, events_{std::move(events)}, worker_{worker} {}

  void start(process::RunRequest request) override {
    asked_[request.key] = {request, std::nullopt};
    if (ready_) send([request](MachineLauncher& to) { to.start_run(request); });
  }
  void stop(const std::string& key, Duration grace) override {
    auto asked = asked_.find(key);
    if (asked != asked_.end()) asked->second.second = grace;
    if (ready_) return send([key, grace](MachineLauncher& to) { to.stop_run(key, grace); });
    if (asked == asked_.end())
      waiting_.emplace_back([key, grace](MachineLauncher& to) { to.stop_run(key, grace); });
  }
  void renew(Nanos until) override {
    if (ready_) send([until](MachineLauncher& to) { to.renew_runs(until); });
  }
  void forget(const std::string& key) override {
    auto forgotten = [key](MachineLauncher& to) { to.forget_run(key); };
    if (ready_)
      send(forgotten);
    else
      waiting_.emplace_back(forgotten);
  }

  /// In order, each a moment later.
  void send(std::function<void(MachineLauncher&)> command) {
    launcher_.world_.after(hop(to_launcher_), [self = shared_from_this(), number = connection_,
                                               command = std::move(command)] {
      if (self->connection_ == number && self->launcher_.up_) command(self->launcher_);
    });
  }
  void receive(std::function<void(const process::LauncherEvents&)> event) {
    auto& world = launcher_.world_;
    world.after(hop(to_worker_), [self = shared_from_this(), event = std::move(event)] {
      auto& there = self->launcher_.world_;
      if (there.alive(self->worker_)) there.inside(self->worker_, [&] { event(self->events_); });
    });
  }
  void connected(std::vector<process::RunStatus> runs) {
    receive([self = shared_from_this(), number = connection_, runs](const auto& events) {
      if (self->connection_ != number) return;
      for (const auto& run : runs) self->asked_.erase(run.key);
      events.connected(runs);
      self->ready_ = true;
      for (auto& command : std::exchange(self->waiting_, {})) self->send(std::move(command));
      for (const auto& [key, asked] : self->asked_) {
        self->send([request = asked.first](MachineLauncher& to) { to.start_run(request); });
        if (asked.second)
          self->send([name = key, grace = *asked.second](MachineLauncher& to) {
            to.stop_run(name, grace);
          });
      }
    });
  }
  void told(const process::RunStatus& status) {
    receive([self = shared_from_this(), status](const auto& events) {
      self->asked_.erase(status.key);
      (status.state == process::RunState::running ? events.started : events.ended)(status);
    });
  }
  void lost() {
    ++connection_;
    ready_ = false;
    receive([](const auto& events) {
      events.lost({Errc::unavailable, "the launcher is gone", "its connection ended", ""});
    });
  }
  /// Its process is dead: what is on its way to it is lost.
  void drop() {
    ++connection_;
    events_ = {};
  }
  bool alive() const { return launcher_.world_.alive(worker_); }

 private:
  Nanos hop(Nanos& newest) {
    auto now = launcher_.world_.now();
    newest = std::max(newest, now + launcher_.random_.between(hop_least, hop_most));
    return newest - now;
  }

  MachineLauncher& launcher_;
  process::LauncherEvents events_;
  ProcessId worker_;
  bool ready_ = false;
  uint64_t connection_ = 0;
  Nanos to_launcher_{0}, to_worker_{0};
  std::map<std::string, std::pair<process::RunRequest, std::optional<Duration>>> asked_;
  std::vector<std::function<void(MachineLauncher&)>> waiting_;
};

std::shared_ptr<process::Launcher> MachineLauncher::connect(process::LauncherEvents events,
                                                            ProcessId worker) {
  if (client_) client_->drop();
  client_ = std::make_shared<Client>(*this, std::move(events), worker);
  serve(client_);
  return client_;
}

void MachineLauncher::serve(const std::shared_ptr<Client>& client) {
  served_ = false;
  if (!up_) return;
  // Its snapshot is made when it accepts.
  world_.after(random_.between(milliseconds{1}, milliseconds{50}), [this, client] {
    if (client != client_ || !up_ || !client->alive()) return;
    std::vector<process::RunStatus> all;
    for (const auto& [key, run] : runs_) all.push_back(run.status);
    served_ = true;
    client->connected(std::move(all));
  });
}

void MachineLauncher::crash(Nanos away) {
  if (!up_) return;
  up_ = false;
  lose_all();
  if (client_ && client_->alive()) client_->lost();
  world_.after(away, [this, life = lives_] {
    if (!up_ && life == lives_) start();
  });
}

void MachineLauncher::power_off() {
  up_ = false;
  ++lives_;
  lose_all();
  if (client_) client_->drop();
  client_.reset();
}

void MachineLauncher::start() {
  up_ = true;
  if (client_) serve(client_);
}

std::vector<std::string> MachineLauncher::kept() const {
  std::vector<std::string> keys;
  for (const auto& [key, run] : runs_) keys.push_back(key);
  return keys;
}

void MachineLauncher::lose_all() {
  for (auto& [key, run] : runs_)
    if (run.status.state == process::RunState::running)
      end_run(key, run.life, 0, SIGKILL,
              Error{Errc::failed, fmt::format("run {} was lost", key), "the launcher died",
                    "start it again; the log up to that moment is kept"});
}

MachineLauncher::Run* MachineLauncher::find(const std::string& key, uint64_t life) {
  auto it = runs_.find(key);
  if (it == runs_.end() || it->second.life != life ||
      it->second.status.state != process::RunState::running)
    return nullptr;
  return &it->second;
}

void MachineLauncher::tell(const process::RunStatus& status) {
  if (client_ && up_ && served_) client_->told(status);
}

void MachineLauncher::start_run(const process::RunRequest& request) {
  if (auto known = runs_.find(request.key); known != runs_.end()) return tell(known->second.status);
  auto key = actors::parse_run_key(request.key);
  if (!key) return;
  Run run;
  run.lease_until = request.lease_until;
  if (run.lease_until.count() > 0 && run.lease_until <= world_.now()) {
    run.status.key = request.key;
    run.status.state = process::RunState::ended;
    run.status.started = run.status.ended = clock_.now();
    run.status.error = Error{Errc::unavailable, "it was not started", "its lease ran out", ""};
    return tell(runs_.emplace(request.key, std::move(run)).first->second.status);
  }
  run.key = key->first;
  run.phase = key->second;
  const auto& first = request.processes.front();
  run.script = JobScript::of(first.argv);
  run.attempt = static_cast<uint32_t>(std::atoi(variable(first, "TROUPE_ATTEMPT").c_str()));
  run.metrics_path = variable(first, "TROUPE_METRICS");
  run.ranks = request.processes.size();
  run.life = ++lives_;
  run.status.key = request.key;
  run.status.started = clock_.now();
  for (size_t rank = 0; rank < run.ranks; ++rank)
    run.status.pids.push_back(static_cast<int32_t>(1000 + lives_));
  world_.trace([&] { return fmt::format("{} runs {}", machine_, request.key); });
  world_.note("begin " + request.key);
  auto [it, fresh] = runs_.emplace(request.key, std::move(run));
  auto& entry = it->second;
  if (watcher_.began) watcher_.began(machine_, entry.key, entry.phase);
  tell(entry.status);
  if (entry.lease_until.count() > 0) watch_lease(request.key, entry.life);
  auto time = milliseconds{entry.script.run_ms};
  for (uint32_t line = 0; line < entry.script.metrics; ++line)
    world_.after(
        Nanos{time} * (line + 1) / (entry.script.metrics + 1),
        [this, name = request.key, life = entry.life, line] { write_metric(name, life, line); });
  auto code = entry.attempt <= entry.script.bad_attempts ? 3 : entry.script.code;
  world_.after(
      time, [this, name = request.key, life = entry.life, code] { end_run(name, life, code, 0); });
}

/// Whatever becomes of its worker.
void MachineLauncher::watch_lease(const std::string& key, uint64_t life) {
  auto* run = find(key, life);
  if (run == nullptr) return;
  if (run->lease_until > world_.now()) {
    world_.after(run->lease_until - world_.now(), [this, key, life] { watch_lease(key, life); });
    return;
  }
  run->status.stopped = true;
  end_run(key, life, 0, SIGKILL);
}

void MachineLauncher::renew_runs(Nanos until) {
  for (auto& [key, run] : runs_)
    if (run.lease_until > world_.now()) run.lease_until = std::max(run.lease_until, until);
}

void MachineLauncher::write_metric(const std::string& key, uint64_t life, uint32_t line) {
  auto* run = find(key, life);
  if (run == nullptr) return;
  // Its slot is its own while it runs. As a job does it: one line, appended.
  if (auto* file = std::fopen(run->metrics_path.c_str(), "a")) {
    fmt::print(file, "{{\"step\": {}, \"m{}\": {}}}\n", line, run->key.job.index,
               metric_value(run->attempt, line));
    std::fclose(file);
  }
}

void MachineLauncher::stop_run(const std::string& key, Duration grace) {
  auto it = runs_.find(key);
  if (it == runs_.end() || it->second.status.state != process::RunState::running) return;
  auto& run = it->second;
  run.status.stopped = true;
  auto life = run.life;
  if (grace.count() == 0) return end_run(key, life, 0, SIGKILL);
  world_.after(grace, [this, key, life] { end_run(key, life, 0, SIGKILL); });
  if (std::exchange(run.terminated, true) || run.script.ignores_term) return;
  bool well = run.script.ends_well_on_term;
  world_.after(random_.between(Nanos{0}, milliseconds{300}),
               [this, key, life, well] { end_run(key, life, 0, well ? 0 : SIGTERM); });
}

void MachineLauncher::end_run(const std::string& key, uint64_t life, int32_t code, int32_t signal,
                              std::optional<Error> error) {
  auto* run = find(key, life);
  if (run == nullptr) return;
  auto& status = run->status;
  status.state = process::RunState::ended;
  status.ended = clock_.now();
  status.exits.assign(run->ranks, {code, signal, status.ended});
  if (code != 0 || signal != 0)
    status.first_failed = static_cast<int32_t>(random_.below(run->ranks));
  status.error = std::move(error);
  status.pids.clear();
  world_.trace(
      [&] { return fmt::format("{} ended {}: code {} signal {}", machine_, key, code, signal); });
  world_.note("end " + key, static_cast<uint64_t>(code), static_cast<uint64_t>(signal));
  if (watcher_.ended) watcher_.ended(machine_, run->key, run->phase, status);
  tell(status);
}

void MachineLauncher::forget_run(const std::string& key) {
  world_.trace([&] { return fmt::format("{} forgets {}", machine_, key); });
  auto it = runs_.find(key);
  if (it != runs_.end() && it->second.status.state != process::RunState::running) runs_.erase(it);
}

}  // namespace troupe::sim
