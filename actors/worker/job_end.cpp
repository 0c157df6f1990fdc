// How a job's line ends and, with the last or the first that fails, the job itself: whether that is
// its own doing, its machine's, or what was asked for.
#include "actors/worker/job.hpp"
#include "actors/worker/job_ports.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

namespace troupe::actors {

void JobState::phase_ended(const process::RunStatus& status) {
  if (!status.log_error.empty())
    log::warning("job", "{}: output was lost: {}", to_string(order_->key.job), status.log_error);
  if (receipt_ended(status)) return;
  // Nobody here asked for it.
  bool for_device = !device_lost_.empty();
  bool lease_ran_out = order_->leased && status.stopped && !stop_wanted_ && !for_device;
  if (status.stopped && !for_device) stop_wanted_ = true;  // also by a worker that is gone
  auto update = blank(JobStep::ended);
  update.time_us = status.ended ? status.ended.us : update.time_us;
  update.stopped = stop_wanted_;
  process::ProcessExit exit;
  auto failed = status.first_failed;
  if (failed >= 0 && static_cast<size_t>(failed) < status.exits.size())
    exit = status.exits[static_cast<size_t>(failed)];
  else if (!status.exits.empty())
    exit = status.exits.front();
  bool good = status.state == process::RunState::ended && !status.error && exit.code == 0 &&
              exit.signal == 0;
  if (good && !stop_wanted_ && services_.nobody_asked() && order_->world_size > 1)
    update.warning = warning_ = WorldCheck::nobody_asked(*order_);
  if (good && !stop_wanted_ && !for_device && phase_ + 1 < order_->phases.size()) {
    return go_on(phase_ + 1);
  }
  if (status.state == process::RunState::ended && !status.error) {
    update.has_exit = true;
    update.exit_code = exit.code;
    update.signal = exit.signal;
  }
  if (!good) {
    watch_disk();
    update.error = exit_error(status);
    if (lease_ran_out && update.error.what.empty())
      update.error =
          Error{Errc::unavailable, fmt::format("job {} was ended", to_string(order_->key.job)),
                "it is exclusive, and its worker did not hear of the head for too long",
                "it is started again by itself"};
  }
  update.infrastructure = status.state == process::RunState::ended && status.error.has_value();
  if (!good && update.error.what.empty() && order_->phases[phase_].setup)
    update.error = Error{
        Errc::failed, fmt::format("setup of job {} failed", to_string(order_->key.job)),
        exit.signal != 0 ? fmt::format("line {} was ended by signal {}", phase_ + 1, exit.signal)
                         : fmt::format("line {} ended with exit code {}", phase_ + 1, exit.code),
        fmt::format("troupe logs {}", to_string(order_->key.job.experiment))};
  if (!good) return settle_devices(std::move(update));
  end(std::move(update));
}

Error JobState::exit_error(const process::RunStatus& status) const {
  auto job = to_string(order_->key.job);
  if (status.error) return *status.error;
  if (status.oom_killed)
    return Error{Errc::exhausted, fmt::format("job {} ran out of memory", job),
                 fmt::format("it was limited to {}", bytes_text(order_->mem)),
                 "raise resources.mem (--mem)"};
  if (status.fork_refused)
    return Error{Errc::exhausted, fmt::format("job {} ran out of processes", job),
                 order_->max_processes == 0
                     ? std::string{"it had as many, with threads, as its machine gives one job"}
                     : fmt::format("it was limited to {}, with threads", order_->max_processes),
                 "raise resources.max_processes (--max-processes)"};
  // Little enough that any write of a checkpoint or a log may have failed.
  constexpr uint64_t full = 16u << 20;
  if (disk_free_least_ < full)
    return Error{Errc::exhausted, fmt::format("job {} failed while the disk was full", job),
                 fmt::format("the disk of {} had {} left", context_->paths.outputs,
                             bytes_text(disk_free_least_)),
                 "free space there, then troupe rerun"};
  return {};
}

/// Nothing that runs on it can come to an end by itself that is worth having.
void JobState::device_lost(const std::string& what) {
  if (stage_ == Stage::ended) return;
  device_lost_ = what;
  if (stage_ == Stage::running) peers_.launcher->stop(run_key_, Duration{0});
}

/// Whoever fails on a GPU that is not there any more has not failed himself. It may be known here
/// first: his command ended before anybody looked.
void JobState::settle_devices(JobUpdate update) {
  auto settle = [this](JobUpdate& last, const std::string& what) {
    if (what.empty() || stop_wanted_) return;
    last.infrastructure = true;
    last.has_exit = false;
    last.error =
        Error{Errc::unavailable, fmt::format("job {} lost a GPU", to_string(order_->key.job)), what,
              "it is started again elsewhere by itself; troupe node show says what the node has"};
  };
  if (!device_lost_.empty() || !peers_.gpus || order_->gpus.empty()) {
    settle(update, device_lost_);
    return end(std::move(update));
  }
  auto ending = std::make_shared<JobUpdate>(std::move(update));
  self_->request(peers_.gpus, limits::request_timeout, check_atom_v, order_->key)
      .then(
          [this, ending, settle](const std::string& what) {
            if (stage_ == Stage::ended) return;
            settle(*ending, what);
            end(std::move(*ending));
          },
          [this, ending](caf::error&) {
            if (stage_ != Stage::ended) end(std::move(*ending));
          });
}

void JobState::fail(Error error, bool infrastructure) {
  auto update = blank(JobStep::ended);
  update.error = std::move(error);
  update.infrastructure = infrastructure;
  end(std::move(update));
}

void JobState::end(JobUpdate update) {
  scan_metrics(true);
  if (bad_metric_lines_ > 0)
    log::warning("job",
                 "{}: {} lines of its metrics were left out: no JSON, too long, or no number",
                 to_string(order_->key.job), bad_metric_lines_);
  stage_ = Stage::ended;
  services_.end();
  release_ports(*context_, *order_);
  (void)look_for_checkpoints();
  if (!order_->data.empty()) self_->send(peers_.cache, release_atom_v, order_->key);
  send(std::move(update));
  self_->send(peers_.node, gone_atom_v, order_->key);
}

}  // namespace troupe::actors
