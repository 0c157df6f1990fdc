#include "actors/worker/job.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <filesystem>

namespace troupe::actors {

namespace {

// Copying half a gigabyte of code from a cold disk takes minutes; an hour means it hangs.
constexpr auto stage_timeout = std::chrono::minutes{60};

/// The newest folder or file below checkpoints; names that begin with '.' or end in ".tmp" are not
/// complete.
std::string newest_checkpoint(const std::string& dir) {
  std::error_code code;
  std::string newest;
  std::filesystem::file_time_type newest_time;
  for (std::filesystem::directory_iterator it{dir, code}, end; !code && it != end;
       it.increment(code)) {
    auto file = it->path().filename().string();
    if (file.starts_with('.') || file.ends_with(".tmp") || file.ends_with(".partial")) continue;
    std::error_code time_code;
    auto time = it->last_write_time(time_code);
    if (time_code) continue;
    if (newest.empty() || time > newest_time) {
      newest = it->path().string();
      newest_time = time;
    }
  }
  return newest;
}

template <class T>
bool take_number(std::string_view& text, T& number) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string run_key(const JobKey& key, uint32_t phase) {
  return fmt::format("{}/{}/{}", to_string(key.job), key.epoch, phase);
}

std::optional<std::pair<JobKey, uint32_t>> parse_run_key(std::string_view text) {
  auto slash = text.find('/');
  auto job = parse_job_id(text.substr(0, slash));
  if (!job || slash == std::string_view::npos) return std::nullopt;
  auto rest = text.substr(slash + 1);
  JobKey key{*job, 0};
  uint32_t phase = 0;
  if (!take_number(rest, key.epoch) || !rest.starts_with('/')) return std::nullopt;
  rest.remove_prefix(1);
  if (!take_number(rest, phase) || !rest.empty()) return std::nullopt;
  return std::pair{key, phase};
}

job_actor::behavior_type JobState::make_behavior(WorkerContextRef context, JobPeers peers,
                                                 JobOrder order, uint32_t slot) {
  context_ = std::move(context);
  slot_ = slot;
  peers_ = std::move(peers);
  order_ = std::move(order);
  newest_ = blank(JobStep::preparing);
  take_link();
  return {
      [this](begin_atom) { prepare(); },
      [this](adopt_atom, const RunStatusRef& status) { adopt(*status); },
      [this](stop_atom, uint32_t grace_ms) { stop(Duration{grace_ms}); },
      [this](phase_atom, uint32_t phase) {
        if (stage_ == Stage::at_barrier && phase == phase_ + 1) start_phase(phase);
      },
      [this](launched_atom, const RunStatusRef& status) { launched(*status); },
      [this](report_atom) { tell_again(); },
      [this](status_atom) { return newest_; },
      [this](tick_atom) {
        if (stage_ != Stage::running) return;
        scan_metrics(false);
        watch_disk();
      },
  };
}

/// To a head that came back. What was on its way when the link was cut is lost, so all metrics are
/// read anew; the head keeps what it has of them.
void JobState::tell_again() {
  take_link();
  if (context_->head_is_remote && !run_key_.empty()) {
    file_offset_ = file_lines_ = log_offset_ = bad_metric_lines_ = 0;
    log_points_.clear();
    scan_metrics(stage_ == Stage::ended);
  }
  send(newest_);
}

JobUpdate JobState::blank(JobStep step) const {
  JobUpdate update;
  update.key = order_.key;
  update.attempt = order_.attempt;
  update.step = step;
  update.phase = phase_;
  update.time_us = context_->clock->now().us;
  update.started_us = started_us_;
  update.gpus = order_.gpus;
  return update;
}

void JobState::send(JobUpdate update) {
  update.link = link_;
  newest_ = update;
  self_->send(context_->director, update_atom_v, std::move(update));
}

void JobState::prepare() {
  self_->request(peers_.stager, stage_timeout, stage_atom_v, order_)
      .then(
          [this](uint32_t slot) {
            slot_ = slot;
            if (stop_wanted_) {
              auto update = blank(JobStep::ended);
              update.stopped = true;
              end(std::move(update));
            } else {
              go_on(0);
            }
          },
          [this](caf::error& e) {
            auto error = from_caf(e, fmt::format("preparing job {}", to_string(order_.key.job)));
            // A full disk or a bad snapshot does not get better elsewhere on this machine; the rest
            // may.
            bool own = error.code == Errc::exhausted || error.code == Errc::invalid ||
                       error.code == Errc::corrupt;
            fail(std::move(error), !own);
          });
}

void JobState::adopt(const process::RunStatus& status) {
  auto key = parse_run_key(status.key);
  if (!key) return;
  take_link();
  phase_ = key->second;
  stage_ = Stage::running;
  run_key_ = status.key;
  started_us_ = status.started.us;
  launched(status);
  if (stop_wanted_ && stage_ == Stage::running) peers_.launcher->stop(run_key_, stop_grace_);
}

/// Setup is each job's own; every line of `run`, the first as well, waits for the whole gang: no
/// rank starts before all can.
void JobState::go_on(uint32_t phase) {
  if (order_.nodes == 1 || order_.phases[phase].setup) return start_phase(phase);
  phase_ = phase - 1;  // of none done before the first, the head counts from there
  stage_ = Stage::at_barrier;
  send(blank(JobStep::phase_done));
}

void JobState::start_phase(uint32_t phase) {
  phase_ = phase;
  stage_ = Stage::running;
  const auto& what = order_.phases[phase];
  const auto& paths = context_->paths;
  process::RunRequest request;
  request.key = run_key(order_.key, phase);
  request.log_dir = paths.log(order_.key.job);
  request.log_bytes_max = limits::job_log_bytes_max;
  if (context_->confine) {
    request.cpus = static_cast<double>(order_.milli_cpus) / 1000;
    request.mem = order_.mem;
  }
  // A first attempt has no checkpoint of its own to look for.
  auto resume =
      order_.attempt > 1 ? newest_checkpoint(paths.checkpoints(order_.key.job.experiment)) : "";
  for (uint32_t rank = 0; rank < (what.setup ? 1 : order_.processes); ++rank)
    request.processes.push_back(
        {what.argv, job_environment(context_->environment, paths, order_, slot_, rank, resume),
         paths.work(slot_)});
  run_key_ = request.key;
  peers_.launcher->start(std::move(request));
}

void JobState::launched(const process::RunStatus& status) {
  if (stage_ != Stage::running || status.key != run_key_) return;
  if (status.state == process::RunState::running) {
    if (started_us_ == 0) started_us_ = status.started.us;
    if (order_.phases[phase_].setup) return;
    send(blank(JobStep::running));
    return;
  }
  if (started_us_ == 0) started_us_ = status.started.us;
  phase_ended(status);
}

Error JobState::exit_error(const process::RunStatus& status) const {
  auto job = to_string(order_.key.job);
  if (status.error) return *status.error;
  if (status.oom_killed)
    return Error{Errc::exhausted, fmt::format("job {} ran out of memory", job),
                 fmt::format("it was limited to {}", bytes_text(order_.mem)),
                 "raise resources.mem (--mem)"};
  // Little enough that any write of a checkpoint or a log may have failed.
  constexpr uint64_t full = 16u << 20;
  if (disk_free_least_ < full)
    return Error{Errc::exhausted, fmt::format("job {} failed while the disk was full", job),
                 fmt::format("the disk of {} had {} left", context_->paths.outputs,
                             bytes_text(disk_free_least_)),
                 "free space there, then troupe rerun"};
  return {};
}

void JobState::phase_ended(const process::RunStatus& status) {
  if (!status.log_error.empty())
    log::warning("job", "{}: output was lost: {}", to_string(order_.key.job), status.log_error);
  if (status.stopped) stop_wanted_ = true;  // also by a worker that is gone
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
  if (good && !stop_wanted_ && phase_ + 1 < order_.phases.size()) {
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
  }
  update.infrastructure = status.state == process::RunState::ended && status.error.has_value();
  if (!good && update.error.what.empty() && order_.phases[phase_].setup)
    update.error = Error{
        Errc::failed, fmt::format("setup of job {} failed", to_string(order_.key.job)),
        exit.signal != 0 ? fmt::format("line {} was ended by signal {}", phase_ + 1, exit.signal)
                         : fmt::format("line {} ended with exit code {}", phase_ + 1, exit.code),
        fmt::format("troupe logs {}", to_string(order_.key.job.experiment))};
  end(std::move(update));
}

void JobState::stop(Duration grace) {
  if (stage_ == Stage::ended) return;
  stop_grace_ = stop_wanted_ ? std::min(stop_grace_, grace) : grace;
  stop_wanted_ = true;
  if (stage_ == Stage::running) {
    if (auto file = open_file(context_->paths.stop_file(slot_), O_WRONLY | O_CREAT, 0644); !file)
      log::warning("job", "{}", to_string(file.error()));
    peers_.launcher->stop(run_key_, grace);
  } else if (stage_ == Stage::at_barrier) {
    auto update = blank(JobStep::ended);
    update.stopped = true;
    end(std::move(update));
  }
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
                 to_string(order_.key.job), bad_metric_lines_);
  stage_ = Stage::ended;
  send(std::move(update));
  self_->send(peers_.node, gone_atom_v, order_.key);
}

job_actor::behavior_type job_behavior(job_actor::stateful_pointer<JobState> self,
                                      WorkerContextRef context, JobPeers peers, JobOrder order,
                                      uint32_t slot) {
  return self->state.make_behavior(std::move(context), std::move(peers), std::move(order), slot);
}

}  // namespace troupe::actors
