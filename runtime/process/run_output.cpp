// The half of RunManager that moves output into logs, and its timers.
#include "runtime/core/digest.hpp"
#include "runtime/core/log.hpp"
#include "runtime/process/run_manager.hpp"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace troupe::process {
namespace {

using namespace std::chrono_literals;

/// A prompt or a progress bar is shown this long after it was printed.
constexpr auto part_after = 200ms;
constexpr auto tell_log_every = 200ms;
/// Of one pipe at a time: a flood must not keep the loop from the others.
constexpr size_t turn_bytes = 256u << 10;
/// Input cut at a time, so that one append stays below 256 KiB even where every byte is a line.
constexpr size_t slice_bytes = 4u << 10;
constexpr size_t append_bytes = 96u << 10;

}  // namespace

void RunManager::put_records(Run& run) {
  if (records_.empty()) return;
  run.log->append(records_, clock_.now());
  records_.clear();
  if (run.tell_log_at != never) return;
  run.tell_log_at = std::chrono::steady_clock::now() + tell_log_every;
  wake_at(run.tell_log_at);
}

/// Reads what is there. True: it has ended, or `bytes_max` were read, or (having been asked for
/// all) there is nothing more.
bool RunManager::drain(Pipe& pipe, size_t bytes_max) {
  bool all = bytes_max > turn_bytes;
  bool ended = false;
  std::string time;
  for (size_t total = 0; total < bytes_max;) {
    auto n = ::read(pipe.fd.get(), buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ended = n == 0 || errno != EAGAIN;
      break;
    }
    total += static_cast<size_t>(n);
    if (time.empty()) time = rfc3339(clock_.now());
    for (size_t at = 0; at < static_cast<size_t>(n); at += slice_bytes) {
      auto size = std::min(slice_bytes, static_cast<size_t>(n) - at);
      pipe.splitter.add({buffer_.data() + at, size}, time, records_);
      if (records_.size() >= append_bytes) put_records(*pipe.run);
    }
    if (static_cast<size_t>(n) < buffer_.size() && !all) break;
  }
  if (ended || all) {
    if (time.empty()) time = rfc3339(clock_.now());
    pipe.splitter.finish(time, records_);
  }
  put_records(*pipe.run);
  pipe.part_at = never;
  if (pipe.splitter.has_part()) {
    pipe.part_at = std::chrono::steady_clock::now() + part_after;
    wake_at(pipe.part_at);
  }
  return ended || all;
}

void RunManager::ready(uint64_t id) {
  auto pipe = pipes_.find(id);  // may be closed since the kernel told us
  if (pipe == pipes_.end()) return spawned(id);
  if (drain(pipe->second, turn_bytes)) close_pipe(id);
}

void RunManager::close_pipe(uint64_t id) {
  auto pipe = pipes_.find(id);
  if (pipe == pipes_.end()) return;
  std::erase(pipe->second.run->pipes, id);
  unwatch(pipe->second.fd.get());
  pipes_.erase(pipe);
}

/// Ranks that have not left our memory by now are watched from here on.
void RunManager::look_at_start(Run& run) {
  run.tell_start_at = never;
  std::vector<uint64_t> left;
  for (size_t rank = 0; rank < run.alive.size(); ++rank) {
    auto process = ranks_.find(run.status.pids[rank]);
    if (!run.alive[rank] || process == ranks_.end()) continue;
    auto id = process->second.spawn;
    auto found = starting_.find(id);
    if (found == starting_.end()) continue;
    auto& starting = found->second;
    if (starting.spawn.has_left())
      left.push_back(id);
    else if (watch(starting.spawn.fd(), id, run.status.key))
      starting.watched = true;
    else
      run.tell_start_at = std::chrono::steady_clock::now() + tell_start_after;
  }
  if (run.starting == 0 && run.tell_start_at == never) begun(run);
  for (auto id : left) spawned(id);
}

int RunManager::tick() {
  auto now = std::chrono::steady_clock::now();
  if (now >= wake_) {
    wake_ = never;
    std::vector<std::string> sweeps;
    for (auto& [key, held] : live_) {
      auto& run = *held;
      if (run.tell_start_at <= now) look_at_start(run);
      if (run.lease_until <= now) {
        log::warning("launcher", "{}: its lease ran out; it is killed", key);
        run.lease_until = never;
        run.status.stopped = true;
        kill_ranks(run);
      }
      if (run.kill_at <= now) kill_ranks(run);
      if (run.sweep_at <= now) sweeps.push_back(key);
      if (run.tell_log_at <= now) {
        run.tell_log_at = never;
        events_.logged(key, run.log->end());
      }
      if (run.tell_stuck_at <= now) tell_stuck(run);
      wake_at(std::min({run.tell_start_at, run.kill_at, run.sweep_at, run.tell_log_at,
                        run.tell_stuck_at, run.lease_until}));
    }
    for (auto& key : sweeps)
      if (auto run = live_.find(key); run != live_.end()) settle(*run->second);
    for (auto& [id, pipe] : pipes_) {
      if (pipe.part_at <= now) {
        pipe.part_at = never;
        pipe.splitter.flush_part(rfc3339(clock_.now()), records_);
        put_records(*pipe.run);
      }
      wake_at(pipe.part_at);
    }
    if (ready_at_ <= now) {
      ready_at_ = never;
      groups_.make_ready();
    }
    wake_at(ready_at_);
  }
  if (wake_ == never) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(wake_ - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

}  // namespace troupe::process
