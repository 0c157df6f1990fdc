#include "tests/sim/world.hpp"

#include "runtime/core/assert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace troupe::sim {

namespace {

constexpr int64_t begin_us = 1'700'000'000'000'000;

caf::actor_id id_of(caf::resumable* job) {
  auto* actor = dynamic_cast<caf::scheduled_actor*>(job);
  return actor == nullptr ? caf::actor_id{0} : actor->id();
}

}  // namespace

World::World(uint64_t seed)
    : system_{config_},
      scheduler_{dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())},
      random_{seed} {
  processes_.push_back({"nobody", true, false, {}});
  scheduler_.run();
  adopt();
}

World::~World() {
  events_.clear();
  soon_.clear();
  for (ProcessId process = 1; process < processes_.size(); ++process)
    if (processes_[process].alive) kill(process);
  events_.clear();
  scheduler_.run();
}

void World::after(Nanos delay, std::function<void()> what) {
  events_.emplace(std::pair{now_ + std::max(delay, Nanos{0}), next_event_++}, std::move(what));
}

ProcessId World::begin_process(std::string name) {
  processes_.push_back({std::move(name), true, false, {}});
  return static_cast<ProcessId>(processes_.size() - 1);
}

/// Every actor is scheduled once when it is spawned, so whoever is new here was spawned by who ran
/// last.
void World::adopt() {
  for (auto* job : scheduler_.jobs) {
    auto* actor = dynamic_cast<caf::scheduled_actor*>(job);
    if (actor == nullptr || !owners_.try_emplace(actor->id(), current_).second) continue;
    processes_[current_].actors.push_back(actor->address());
  }
}

ProcessId World::owner(caf::resumable* job) const {
  auto it = owners_.find(id_of(job));
  return it == owners_.end() ? nobody : it->second;
}

void World::kill(ProcessId process) {
  TROUPE_ASSERT(current_ == nobody, "a process was killed from inside of an actor");
  pause(process, false);
  processes_[process].alive = false;
  note("killed", process);
  trace([&] { return fmt::format("{} is dead", processes_[process].name); });
  auto& jobs = scheduler_.jobs;
  while (true) {
    // Again and again: one whose turn it is may spawn others before it reads that it is dead.
    for (const auto& actor : std::exchange(processes_[process].actors, {}))
      caf::anon_send_exit(actor, caf::exit_reason::kill);
    auto job = std::find_if(jobs.begin(), jobs.end(),
                            [&](caf::resumable* each) { return owner(each) == process; });
    if (job == jobs.end()) return;
    run(static_cast<size_t>(job - jobs.begin()));
  }
}

void World::pause(ProcessId process, bool paused) {
  auto& entry = processes_.at(process);
  if (entry.paused == paused) return;
  entry.paused = paused;
  paused_ += paused ? 1 : size_t(-1);
  note(paused ? "paused" : "resumed", process);
}

void World::run(size_t index) {
  auto& jobs = scheduler_.jobs;
  auto* job = jobs[index];
  jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(index));
  jobs.push_front(job);
  Inside scope{*this, owner(job)};
  note("run", id_of(job));
  ++steps_;
  scheduler_.run_once();
}

bool World::run_actor() {
  auto& jobs = scheduler_.jobs;
  if (jobs.empty()) return false;
  if (paused_ == 0) {
    run(random_.below(jobs.size()));
    return true;
  }
  std::vector<size_t> ready;
  for (size_t index = 0; index < jobs.size(); ++index)
    if (!processes_[owner(jobs[index])].paused) ready.push_back(index);
  if (ready.empty()) return false;
  run(random_.pick(ready));
  return true;
}

bool World::step(Nanos until) {
  if (!soon_.empty()) {
    for (auto& what : std::exchange(soon_, {})) what();
    return true;
  }
  return run_actor() || pass_time(until);
}

bool World::pass_time(Nanos until) {
  auto& clock = scheduler_.clock();
  auto next = until;
  if (!events_.empty()) next = std::min(next, events_.begin()->first.first);
  // The clock of the actors begins at its own zero, not at ours.
  auto to_timer = clock.schedule().empty() ? Nanos::max()
                                           : Nanos{clock.schedule().begin()->first - clock.now()};
  if (to_timer != Nanos::max()) next = std::min(next, now_ + std::max(to_timer, Nanos{0}));
  if (next >= until) {
    scheduler_.advance_time(std::chrono::duration_cast<caf::timespan>(until - now_));
    now_ = until;
    return false;
  }
  auto by = next - now_;
  now_ = next;
  note("time", static_cast<uint64_t>(now_.count()));
  scheduler_.advance_time(std::chrono::duration_cast<caf::timespan>(by));
  while (!events_.empty() && events_.begin()->first.first <= now_) {
    auto what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    what();
    adopt();
  }
  return true;
}

/// FNV-1a.
void World::note(std::string_view kind, uint64_t a, uint64_t b) {
  auto add = [&](uint8_t byte) { history_ = (history_ ^ byte) * 0x100000001b3; };
  for (char c : kind) add(static_cast<uint8_t>(c));
  for (auto word : {a, b})
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<uint8_t>(word >> shift));
}

void World::print(const std::string& line) const {
  std::fprintf(stderr, "%12.6f  %s\n", static_cast<double>(now_.count()) / 1e9, line.c_str());
}

Timestamp MachineClock::now() {
  auto us = begin_us + world_.now().count() / 1000 + offset_us_;
  last_us_ = std::max(us, last_us_ + 1);
  return Timestamp{last_us_};
}

}  // namespace troupe::sim
