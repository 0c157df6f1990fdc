#include "actors/worker/job.hpp"

#include "actors/worker/job_mounts.hpp"
#include "actors/worker/job_ports.hpp"
#include "actors/worker/run_request.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>

namespace troupe::actors {

job_actor::behavior_type JobState::make_behavior(WorkerContextRef context, JobPeers peers,
                                                 JobOrder order, uint32_t slot) {
  context_ = std::move(context);
  slot_ = slot;
  peers_ = std::move(peers);
  order_ = std::make_shared<const JobOrder>(std::move(order));
  newest_ = blank(JobStep::preparing);
  take_link();
  return {
      [this](begin_atom) {
        choices_ = order_->resume;
        choose(0);
        hold([this] { prepare(); });
      },
      [this](adopt_atom, const RunStatusRef& status) { adopt(*status); },
      [this](stop_atom, uint32_t grace_ms) { stop(Duration{grace_ms}); },
      [this](phase_atom, const PhaseStart& start) { begin_phase(start); },
      [this](launched_atom, const RunStatusRef& status) { launched(*status); },
      [this](report_atom) { tell_again(); },
      [this](status_atom) { return newest_; },
      [this](devices_atom, const std::string& what) { device_lost(what); },
      [this](tick_atom) {
        if (stage_ != Stage::running || order_->phases[phase_].receipt) return;
        scan_metrics(false);
        if (look_for_checkpoints()) send(blank(JobStep::running));
        watch_disk();
        pulse();
        look_at_world();
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
  update.key = order_->key;
  update.attempt = order_->attempt;
  update.step = step;
  update.phase = phase_;
  update.time_us = context_->clock->now().us;
  update.started_us = started_us_;
  update.gpus = order_->gpus;
  update.first_port = first_port(*order_);
  update.warning = warning_;
  update.bound = order_->bound;
  update.receipt = receipt_;
  if (data_) update.mounts = shown_mounts(*context_, *order_, *data_);
  if (stage_ != Stage::holding && !order_->resume.empty())
    update.resumed = order_->resume.front().checkpoint.name;
  update.resume_note = resume_note_;
  return update;
}

void JobState::send(JobUpdate update) {
  update.link = link_;
  if (checkpoints_) update.checkpoints = checkpoints_->seen();
  newest_ = update;
  self_->send(context_->director, update_atom_v, std::move(update));
}

/// What is not on this node comes as data does.
void JobState::choose(size_t first) {
  if (choices_.empty()) return;
  auto order = *order_;
  auto of = order.resume_of.top != 0 ? order.resume_of : order.key.job.experiment;
  auto chosen = choose_resume(order, choices_, first, context_->paths.checkpoints(of));
  chosen_ = chosen.value_or(choices_.size());
  order_ = std::make_shared<const JobOrder>(std::move(order));
  if (chosen_ == 0 || !resume_note_.empty()) return;
  resume_note_ = fmt::format("{} is neither here nor with the head", choices_[0].checkpoint.name);
}

/// Nobody has all of the one that was chosen any more: there are older ones, or none.
bool JobState::choose_older(const Error& error) {
  bool lost = error.code == Errc::not_found || error.code == Errc::corrupt;
  if (!lost || chosen_ >= choices_.size() || !order_->resume_path.empty()) return false;
  resume_note_ =
      fmt::format("{} cannot be had any more: {}", choices_[chosen_].checkpoint.name, error.what);
  log::warning("job", "{}: {}", to_string(order_->key.job), resume_note_);
  self_->send(peers_.cache, release_atom_v, order_->key);
  choose(chosen_ + 1);
  return true;
}

/// Waits for the data it reads. That may take hours; a stop ends it at once.
void JobState::hold(const std::function<void()>& go_on) {
  if (order_->data.empty() || data_) return go_on();
  stage_ = Stage::holding;
  // tidy: allow infinite: the cache answers, or ends together with the node and with us
  self_->request(peers_.cache, caf::infinite, hold_atom_v, order_->key, OrderRef{order_})
      .then(
          [this, go_on](const HeldDataRef& data) {
            data_ = data.value;
            if (stage_ == Stage::holding) go_on();
          },
          [this, go_on](caf::error& e) {
            if (stage_ != Stage::holding) return;
            auto error = from_caf(e, fmt::format("data of job {}", to_string(order_->key.job)));
            if (choose_older(error)) return hold(go_on);
            // Other machines may have the room, and the head may have the data again; but what was
            // asked for and cannot be is for its user to change.
            bool own = error.code == Errc::invalid;
            fail(std::move(error), !own);
          });
}

void JobState::prepare() {
  stage_ = Stage::staging;
  auto order = *order_;
  if (auto taken = take_ports(*context_, order); !taken) return fail(taken.error(), true);
  order_ = std::make_shared<const JobOrder>(std::move(order));
  // Else the stager starts that line, before anything comes back here.
  if (!waits_for_gang(*order_, 0))
    if (auto served = serve_ranks(); !served) return fail(served.error(), true);
  staging_.value = std::make_shared<Staging>();
  staging_->order = order_;
  staging_->data = data_;
  staging_->launcher = peers_.launcher;
  staging_->lease = peers_.lease;
  if (stop_wanted_) staging_->stop_grace_ms = grace_.count();
  // tidy: allow infinite: the stager answers, or ends together with the node and with us
  self_->request<caf::message_priority::high>(peers_.stager, caf::infinite, stage_atom_v, staging_)
      .then([this](uint32_t slot, bool started) { staged(slot, started); },
            [this](caf::error& e) {
              auto error = from_caf(e, fmt::format("preparing job {}", to_string(order_->key.job)));
              // A full disk or a bad snapshot does not get better elsewhere on this machine; the
              // rest may.
              bool own = error.code == Errc::exhausted || error.code == Errc::invalid ||
                         error.code == Errc::corrupt;
              fail(std::move(error), !own);
            });
}

void JobState::staged(uint32_t slot, bool started) {
  slot_ = slot;
  if (started) {
    stage_ = Stage::running;
    run_key_ = run_key(order_->key, 0);
    if (stop_wanted_) stop_run();
  } else if (stop_wanted_) {
    auto update = blank(JobStep::ended);
    update.stopped = true;
    end(std::move(update));
  } else {
    go_on(0);
  }
}

void JobState::adopt(const process::RunStatus& status) {
  auto key = parse_run_key(status.key);
  if (!key) return;
  take_link();
  phase_ = key->second;
  stage_ = Stage::running;
  run_key_ = status.key;
  started_us_ = status.started.us;
  keep_ports(*context_, *order_);
  services_.go_on(*order_, phase_);
  // What it reads is here already: nobody may remove it.
  if (!order_->data.empty()) {
    // tidy: allow infinite: as in hold()
    self_->request(peers_.cache, caf::infinite, hold_atom_v, order_->key, OrderRef{order_})
        .then([this](const HeldDataRef& data) { data_ = data.value; }, [](caf::error&) {});
  }
  launched(status);
  if (stop_wanted_ && stage_ == Stage::running) stop_run();
}

void JobState::go_on(uint32_t phase) {
  if (!waits_for_gang(*order_, phase)) return start_phase(phase);
  phase_ = phase - 1;  // of none done before the first, the head counts from there
  stage_ = Stage::at_barrier;
  send(blank(JobStep::phase_done));
}

/// All of the gang are ready, and with the word to begin each hears where the others listen.
void JobState::begin_phase(const PhaseStart& start) {
  if (stage_ != Stage::at_barrier || start.phase != phase_ + 1) return;
  auto order = *order_;
  for (size_t job = 0; job < std::min(order.hosts.size(), start.first_ports.size()); ++job)
    if (job != order.node_rank) order.hosts[job].first_port = start.first_ports[job];
  order_ = std::make_shared<const JobOrder>(std::move(order));
  start_phase(start.phase);
}

void JobState::start_phase(uint32_t phase) {
  phase_ = phase;
  if (leaves_receipt()) return go_on(phase + 1);
  // One that was adopted may not have heard yet where its data is.
  hold([this] { start_line(); });
}

void JobState::start_line() {
  stage_ = Stage::running;
  auto request = run_request(*context_, *order_, data_.get(), slot_, phase_, peers_.lease);
  if (!request) return fail(std::move(request).error(), true);
  run_key_ = request->key;
  let_ports_go(*context_, *order_, phase_);
  if (auto served = serve_ranks(); !served) return fail(served.error(), true);
  peers_.launcher->start(std::move(*request));
}

Result<void> JobState::serve_ranks() {
  let_store_port_go(*context_, *order_);
  return services_.begin(context_->paths.dir, *order_, phase_);
}

void JobState::launched(const process::RunStatus& status) {
  if (stage_ != Stage::running || status.key != run_key_) return;
  if (status.state == process::RunState::running) {
    if (started_us_ == 0) started_us_ = status.started.us;
    if (order_->phases[phase_].setup || order_->phases[phase_].receipt) return;
    watch(status);
    send(blank(JobStep::running));
    return;
  }
  if (started_us_ == 0) started_us_ = status.started.us;
  phase_ended(status);
}

void JobState::stop(Duration grace) {
  if (stage_ == Stage::ended) return;
  grace_ = stop_wanted_ ? std::min(grace_, grace) : grace;
  stop_wanted_ = true;
  if (staging_.value) staging_->stop_grace_ms = grace_.count();
  if (stage_ == Stage::staging) return;  // the stager's answer goes on from here
  if (stage_ == Stage::running) {
    stop_run();
  } else {
    auto update = blank(JobStep::ended);
    update.stopped = true;
    end(std::move(update));
  }
}

void JobState::stop_run() {
  if (auto file = open_file(context_->paths.stop_file(slot_), O_WRONLY | O_CREAT, 0644); !file)
    log::warning("job", "{}", to_string(file.error()));
  peers_.launcher->stop(run_key_, grace_);
}

job_actor::behavior_type job_behavior(job_actor::stateful_pointer<JobState> self,
                                      WorkerContextRef context, JobPeers peers, JobOrder order,
                                      uint32_t slot) {
  return self->state.make_behavior(std::move(context), std::move(peers), std::move(order), slot);
}

}  // namespace troupe::actors
