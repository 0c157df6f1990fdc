#include "tests/sim/faults.hpp"

#include <fmt/format.h>

namespace troupe::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos usual_least = std::chrono::microseconds{100}, usual_most = milliseconds{1};

}  // namespace

std::string_view to_string(Fault fault) {
  constexpr std::string_view names[] = {
      "head crash", "commit crash", "worker crash", "worker leaves", "launcher crash",
      "power cut",  "head pause",   "worker pause", "cut",           "one-way cut",
      "slow",       "disk error",   "clock jump"};
  return names[static_cast<size_t>(fault)];
}

Faults::Faults(World& world, Network& network, HeadMachine& head,
               std::vector<std::unique_ptr<WorkerMachine>>& workers, Checker& checker)
    : world_{world},
      network_{network},
      head_{head},
      workers_{workers},
      checker_{checker},
      random_{world.random().fork()} {
  // Some kinds only, so that each meets itself and few others often.
  for (size_t kind = 0; kind < static_cast<size_t>(Fault::count_); ++kind)
    if (random_.chance(0.4)) kinds_.push_back(static_cast<Fault>(kind));
  pace_ = random_.between(milliseconds{300}, seconds{8});
  head_.disk.before = [this](auto) { return before_commit(); };
}

void Faults::begin(Nanos span) {
  until_ = world_.now() + span;
  if (!kinds_.empty()) next();
}

void Faults::next() {
  world_.after(random_.between(Nanos{0}, pace_ * 2), [this] {
    if (healed_ || world_.now() > until_) return;
    happen(random_.pick(kinds_));
    next();
  });
}

/// Mostly soon, as a supervisor does it; sometimes so late that everybody has given it up.
Nanos Faults::away() {
  return random_.chance(0.7) ? random_.between(milliseconds{20}, seconds{2})
                             : random_.between(seconds{2}, seconds{20});
}

void Faults::happen(Fault fault) {
  ++counts_[static_cast<size_t>(fault)];
  world_.note("fault", static_cast<uint64_t>(fault));
  auto& worker = *random_.pick(workers_);
  world_.trace([&] { return fmt::format("FAULT: {} ({})", to_string(fault), worker.name()); });
  switch (fault) {
    case Fault::head_crash:
      return crash_head();
    case Fault::commit_crash:
      crash_at_commit_ = static_cast<uint32_t>(random_.between(1, 4));
      crash_before_ = random_.chance(0.4);
      return;
    case Fault::worker_crash:
      return crash_worker(worker);
    case Fault::worker_leaves:
      worker.leave();
      world_.after(seconds{3} + away(), [this, &worker] {
        if (worker.powered() && !worker.up()) worker.start();
      });
      return;
    case Fault::launcher_crash:
      return worker.launcher.crash(random_.between(milliseconds{20}, seconds{2}));
    case Fault::power_cut:
      worker.power_off();
      world_.after(seconds{1} + away(), [this, &worker] {
        if (!worker.powered()) worker.power_on();
      });
      return;
    case Fault::head_pause:
      return pause(head_.process(), random_.between(milliseconds{100}, seconds{15}));
    case Fault::worker_pause:
      return pause(worker.process(), random_.between(milliseconds{100}, seconds{15}));
    case Fault::cut:
      return cut(worker, true);
    case Fault::one_way_cut:
      return cut(worker, false);
    case Fault::slow:
      return slow(worker);
    case Fault::disk_error:
      disk_bad_until_ = world_.now() + random_.between(milliseconds{5}, seconds{5});
      return;
    case Fault::clock_jump: {
      auto day = std::chrono::microseconds{std::chrono::hours{24}};
      auto by = std::chrono::microseconds{random_.below(60ull * day.count())} - 30 * day;
      if (random_.chance(0.7)) by /= 720;  // up to an hour
      (random_.chance(0.4) ? head_.clock : worker.clock).set_wrong_by(by);
      return;
    }
    case Fault::count_:
      return;
  }
}

void Faults::crash_head() {
  if (!head_.up()) return;
  checker_.head_crashed();
  head_.crash();
  crash_at_commit_ = 0;
  world_.after(away(), [this] { start_head(); });
}

void Faults::start_head() {
  if (head_.up()) return;
  auto started = head_.start();
  if (!started) return checker_.fail("the head does not start: " + to_string(started.error()));
  checker_.head_started(head_.ledger());
}

void Faults::pause(ProcessId process, Nanos time) {
  if (process == nobody || !world_.awake(process)) return;
  world_.pause(process, true);
  world_.after(time, [this, process] { resume(process); });
}

void Faults::resume(ProcessId process) {
  if (process == nobody || !world_.alive(process) || !world_.paused(process)) return;
  world_.pause(process, false);
  network_.resumed(process);
}

void Faults::crash_worker(WorkerMachine& worker) {
  worker.crash();
  world_.after(away(), [this, &worker] {
    if (worker.powered() && !worker.up()) worker.start();
  });
}

void Faults::cut(WorkerMachine& worker, bool both) {
  bool up = both || random_.chance(0.5);
  network_.cut(worker.name(), up, both || !up);
  auto time = random_.between(milliseconds{100}, seconds{4});
  if (random_.chance(0.5)) time = random_.between(seconds{4}, seconds{30});
  if (random_.chance(0.2)) time = random_.between(seconds{30}, seconds{60});
  world_.after(time, [this, &worker] { network_.heal(worker.name()); });
}

void Faults::slow(WorkerMachine& worker) {
  network_.set_delay(worker.name(), milliseconds{1},
                     random_.between(milliseconds{20}, milliseconds{900}));
  world_.after(random_.between(seconds{1}, seconds{20}),
               [this, &worker] { network_.set_delay(worker.name(), usual_least, usual_most); });
}

std::optional<Error> Faults::before_commit() {
  if (crashing_) return Error{Errc::io, "the head is dying", "", ""};
  if (crash_at_commit_ > 0 && --crash_at_commit_ == 0) {
    // A commit behind this one cannot be: the process is gone before it does anything else.
    crashing_ = true;
    world_.soon([this] {
      crashing_ = false;
      crash_head();
    });
    if (crash_before_) return Error{Errc::io, "the head is dying", "", ""};
    return std::nullopt;
  }
  if (world_.now() >= disk_bad_until_) return std::nullopt;
  checker_.disk_failed();
  return Error{Errc::exhausted, "the disk is full", "", ""};
}

void Faults::heal() {
  healed_ = true;
  crash_at_commit_ = 0;
  disk_bad_until_ = Nanos{0};
  for (auto& worker : workers_) {
    network_.heal(worker->name());
    network_.set_delay(worker->name(), usual_least, usual_most);
    worker->clock.set_wrong_by({});
    resume(worker->process());
    if (!worker->powered())
      worker->power_on();
    else if (!worker->up())
      worker->start();
  }
  head_.clock.set_wrong_by({});
  resume(head_.process());
  start_head();
}

}  // namespace troupe::sim
