#include "actors/worker/node.hpp"

#include "actors/worker/gpu_watch.hpp"
#include "actors/worker/job_ports.hpp"
#include "actors/worker/run_request.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::actors {

namespace {

// People watch curves; a fifth of a second is live enough and costs a job a stat or two.
constexpr auto tick_every = std::chrono::milliseconds{200};
// Waking the stager for each ended job costs a short one more than a few slots more are worth.
constexpr size_t released_together = 16;
constexpr auto join_again_after = std::chrono::milliseconds{500};

}  // namespace

node_actor::behavior_type NodeState::make_behavior(WorkerContextRef context) {
  context_ = std::move(context);
  auto bytes = random_bytes(sizeof epoch_);
  std::memcpy(&epoch_, bytes.data(), sizeof epoch_);
  stager_ = context_->detach_blocking
                ? self_->spawn<caf::detached + caf::linked>(stager_behavior, context_)
                : self_->spawn<caf::linked>(stager_behavior, context_);
  cache_ = self_->spawn<caf::linked>(cache_behavior, context_);
  books_ = BindingBooks{context_->binding};
  for (const auto& [index, device] : context_->binding.devices) devices_.devices.push_back(device);
  if (context_->gpu_driver) {
    auto node = static_cast<node_actor>(self_);
    gpus_ = context_->detach_blocking
                ? self_->spawn<caf::detached + caf::linked>(gpu_watch_behavior, context_, node)
                : self_->spawn<caf::linked>(gpu_watch_behavior, context_, node);
  }
  auto me = static_cast<node_actor>(self_);
  process::LauncherEvents events;
  events.connected = [me](std::vector<process::RunStatus> runs) {
    caf::anon_send(me, known_atom_v, share(std::move(runs)));
  };
  events.started = [me](const process::RunStatus& status) {
    caf::anon_send(me, launched_atom_v, share(status));
  };
  events.ended = events.started;
  events.stuck = [me](const process::RunStatus& status) {
    caf::anon_send(me, stuck_atom_v, share(status));
  };
  events.logged = [me](const std::string& key, uint64_t end) {
    caf::anon_send(me, logged_atom_v, key, end);
  };
  events.lost = [](const Error& error) { log::warning("node", "{}", to_string(error)); };
  launcher_ = context_->make_launcher(std::move(events));
  return {
      [this](start_atom, JobOrder& order) { start(std::move(order)); },
      [this](stop_atom, const JobKey& key, uint32_t grace_ms) { stop(key, grace_ms); },
      [this](phase_atom, const JobKey& key, const PhaseStart& start) {
        if (auto* found = job(key)) self_->send(found->actor, phase_atom_v, start);
      },
      [this](forget_atom, const JobKey& key) { forget(key); },
      [this](log_atom, const JobId& id, uint64_t offset, bool wait) {
        return log(id, offset, wait);
      },
      [this](known_atom, const RunStatusesRef& runs) { known(*runs); },
      [this](launched_atom, const RunStatusRef& status) { launched(status); },
      [this](logged_atom, const std::string& key, uint64_t end) {
        if (key.empty()) return expire_log_waits();
        auto run = parse_run_key(key);
        if (!run) return;
        if (auto* found = job(run->first)) found->log_end = std::max(found->log_end, end);
        wake_log_waits(run->first.job);
      },
      [this](gone_atom, const JobKey& key) { gone(key); },
      [this](stuck_atom, const RunStatusRef& status) { stuck(*status); },
      [this](fetch_atom, const CacheWishes& wishes) { self_->send(cache_, fetch_atom_v, wishes); },
      [this](forget_atom, const CheckpointDrop& drop) {
        self_->send(stager_, forget_atom_v, drop);
      },
      [this](devices_atom, const GpuReport& report) {
        devices_ = report;
        self_->send(context_->registry, devices_atom_v, context_->name, report);
      },
      [this](devices_atom, const JobKey& key, const std::string& what) {
        if (auto* found = job(key)) self_->send(found->actor, devices_atom_v, what);
      },
      [this](tick_atom) { tick(); },
      [this](lease_atom, int64_t sent) { renew_lease(std::chrono::nanoseconds{sent}); },
      [this](linked_atom, const std::string& url) { linked(url); },
      [this](leave_atom) {
        for (auto& [id, entry] : jobs_)
          self_->send_exit(entry.actor, caf::exit_reason::user_shutdown);
        for (auto& [key, entry] : abandoned_)
          self_->send_exit(entry.actor, caf::exit_reason::user_shutdown);
        jobs_.clear();
        abandoned_.clear();
        // It knows us, and wakes itself: nothing else would end it.
        if (gpus_) self_->send_exit(gpus_, caf::exit_reason::user_shutdown);
        launcher_.reset();
        self_->quit();
      },
      [this](status_atom) { return fmt::format("{} jobs", jobs_.size()); },
  };
}

NodeState::Job* NodeState::job(const JobKey& key) {
  auto it = jobs_.find(key.job);
  return it != jobs_.end() && it->second.key == key ? &it->second : nullptr;
}

job_actor NodeState::spawn_job(JobOrder order, uint32_t slot) {
  LeaseTerm lease{lease_, lease_->term(context_->clock->monotonic())};
  JobPeers peers{
      static_cast<node_actor>(self_), stager_, cache_, gpus_, launcher_, std::move(lease)};
  auto key = order.key;
  auto token = order.token;
  auto leased = order.leased;
  if (gpus_ && !order.gpus.empty())
    self_->send(gpus_, hold_atom_v, OrderRef{std::make_shared<const JobOrder>(order)});
  auto actor = self_->spawn(job_behavior, context_, std::move(peers), std::move(order), slot);
  jobs_.insert_or_assign(key.job, Job{key, actor, true, leased, false, 0, token, {}});
  if (!tick_armed_) arm_tick();
  return actor;
}

void NodeState::start(JobOrder order) {
  if (job(order.key) != nullptr) return;  // told twice
  if (auto it = jobs_.find(order.key.job); it != jobs_.end()) {
    if (it->second.key.epoch > order.key.epoch)
      return;  // an order of a head that has been replaced
    forget(it->second.key);
  }
  if (!head_url_.empty()) order.env.emplace("TROUPE_URL", head_url_);
  order.bound = books_.take(order);
  auto leased = order.leased;
  auto actor = spawn_job(std::move(order));
  if (!leased) return self_->send(actor, begin_atom_v);
  // The order may be here before the welcome, or have lain where we could not see it.
  unleased_.push_back(actor);
  if (context_->head_is_remote)
    spread_lease();
  else
    renew_lease(context_->clock->monotonic());
}

/// The head speaks of it, so what it reports finds its experiment; and its actor must know its run
/// before it is told to end it.
void NodeState::adopt(const JobKey& key) {
  auto found = found_.extract(key);
  if (!found) return;
  if (auto* entry = job(key)) self_->send(entry->actor, adopt_atom_v, share(found.mapped().run));
}

/// The order to stop comes first: what it adopts may have ended, and must not go on to its next
/// line.
void NodeState::stop(const JobKey& key, uint32_t grace_ms) {
  if (auto* found = job(key)) self_->send(found->actor, stop_atom_v, grace_ms);
  adopt(key);
}

void NodeState::forget(JobKey key) {
  if (job(key) == nullptr) return;
  auto entry = std::move(jobs_.extract(key.job).mapped());
  auto found = found_.extract(key);
  bool over = found && found.mapped().run.state != process::RunState::running;
  if (!entry.running || over) return drop(key, entry);
  // Whoever says so has given the job up: it ends now. Its folders are its own until it has.
  self_->send(entry.actor, stop_atom_v, uint32_t{0});
  // Behind this the lease is renewed, which is not for it.
  if (entry.leased)
    for (const auto& run : entry.runs) launcher_->stop(run, Duration{0});
  if (found) self_->send(entry.actor, adopt_atom_v, share(found.mapped().run));
  abandoned_.emplace(key, std::move(entry));
}

void NodeState::drop(const JobKey& key, const Job& entry) {
  for (const auto& run : entry.runs) launcher_->forget(run);
  books_.release(key);
  self_->send_exit(entry.actor, caf::exit_reason::user_shutdown);
  release(key);
}

void NodeState::release(const JobKey& key) {
  released_.push_back(key);
  if (released_.size() >= released_together)
    flush_released();
  else
    arm_tick();
}

void NodeState::flush_released() {
  if (released_.empty()) return;
  self_->send(stager_, forget_atom_v, share(std::exchange(released_, {})));
}

void NodeState::gone(const JobKey& key) {
  books_.release(key);
  if (gpus_) self_->send(gpus_, release_atom_v, key);
  if (auto* found = job(key)) found->running = false;
  if (auto entry = abandoned_.extract(key)) drop(key, entry.mapped());
  wake_log_waits(key.job);
}

/// The launcher is there and says what it has: the first time that is the way to join the head.
void NodeState::known(const std::vector<process::RunStatus>& runs) {
  if (joined_) return reconnected(runs);
  if (std::exchange(joining_, true)) {
    // A launcher that came back meanwhile tells of ends that nobody else will.
    for (const auto& run : runs) launched(share(run));
    return join();
  }
  std::map<JobKey, std::pair<uint32_t, JobOrder>> orders;
  for (auto& [slot, order] : read_orders(context_->paths)) {
    auto key = order.key;
    orders.emplace(key, std::pair{slot, std::move(order)});
  }
  std::map<JobKey, uint32_t> phases;
  std::map<JobKey, std::vector<std::string>> names;
  for (const auto& run : runs) {
    auto key = parse_run_key(run.key);
    if (!key) continue;
    if (!orders.contains(key->first)) {
      // Without its order nothing can be done for it; the head will see that it is lost.
      launcher_->stop(run.key, Duration{0});
      launcher_->forget(run.key);
      continue;
    }
    names[key->first].push_back(run.key);
    auto [it, fresh] = phases.emplace(key->first, key->second);
    if (!fresh && it->second >= key->second) continue;
    it->second = key->second;
    found_[key->first].run = run;
  }
  for (auto& [key, order] : orders) {
    auto found = found_.find(key);
    if (found == found_.end()) {
      release(key);
      continue;
    }
    found->second.attempt = order.second.attempt;
    found->second.gpus = order.second.gpus;
    found->second.first_port = first_port(order.second);
    books_.adopt(key, order.second.bound);
    // Of two attempts of one job the newer has replaced the other. (They come in that order.)
    if (auto older = jobs_.find(key.job); older != jobs_.end()) forget(older->second.key);
    spawn_job(std::move(order.second), order.first);
    job(key)->runs = std::move(names[key]);
  }
  join();
}

void NodeState::join() {
  auto hello = blank_hello();
  for (const auto& [key, found] : found_) {
    JobUpdate update;
    update.key = key;
    update.step = JobStep::running;
    update.attempt = found.attempt;
    update.gpus = found.gpus;
    update.first_port = found.first_port;
    update.time_us = context_->clock->now().us;
    update.started_us = found.run.started.us;
    if (auto* entry = job(key)) update.token = entry->token;
    hello.jobs.push_back(std::move(update));
  }
  self_
      ->request(context_->registry, limits::request_timeout, hello_atom_v, hello,
                static_cast<node_actor>(self_))
      .then(
          [this, asked = context_->clock->monotonic()](const NodeWelcome& welcome) {
            joined_ = true;
            welcomed(welcome, asked);
            // An order can be here before the welcome; what its job has said so far is lost.
            if (context_->link) report_all();
          },
          [this](caf::error& e) {
            auto error = from_caf(e, "joining the head");
            // A head that is not there, or is stopping, is waited for without a word.
            if (error.code != Errc::unavailable)
              log::error("node", "{} could not join: {}", context_->name, to_string(error));
            self_->delayed_send(self_, join_again_after, known_atom_v,
                                share(std::vector<process::RunStatus>{}));
          });
}

void NodeState::welcomed(const NodeWelcome& welcome, Lease::Nanos asked) {
  // First: what ended while nobody looked must not go on to its next line for a head that does not
  // want it.
  for (const auto& key : welcome.stop) forget(key);
  for (const auto& key : welcome.forget) forget(key);
  renew_lease(asked);
  self_->send(cache_, report_atom_v);
  // Only now: what an adopted job reports must find its experiment.
  while (!found_.empty()) adopt(JobKey{found_.begin()->first});
}

/// The head answered a question that was sent then.
void NodeState::renew_lease(Lease::Nanos sent) {
  lease_->renew(sent, context_->clock->monotonic());
  spread_lease();
}

/// The launcher ends exclusive jobs when the lease runs out: it lives when this worker does not.
void NodeState::spread_lease() {
  auto now = context_->clock->monotonic();
  auto until = lease_->until(lease_->term(now), now);
  if (until.count() == 0) return;
  if (has_leased() && launcher_) launcher_->renew(until);
  for (const auto& actor : std::exchange(unleased_, {})) self_->send(actor, begin_atom_v);
}

bool NodeState::has_leased() const {
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [](const auto& entry) { return entry.second.leased && entry.second.running; });
}

void NodeState::reconnected(const std::vector<process::RunStatus>& runs) {
  for (const auto& run : runs) launched(share(run));
  report_all();
}

void NodeState::report_all() {
  for (auto& [id, entry] : jobs_) self_->send(entry.actor, report_atom_v);
}

void NodeState::launched(const RunStatusRef& status) {
  if (status->state != process::RunState::running) not_stuck(status->key);
  auto run = parse_run_key(status->key);
  if (!run) return;
  auto* found = job(run->first);
  if (auto abandoned = abandoned_.find(run->first); abandoned != abandoned_.end())
    found = &abandoned->second;
  if (found == nullptr) {
    if (status->state == process::RunState::running)
      launcher_->stop(status->key, Duration{0});
    else
      launcher_->forget(status->key);
    return;
  }
  if (found->runs.empty() || found->runs.back() != status->key) found->runs.push_back(status->key);
  // Its job is adopted when the head has answered; it must not be told what was true before.
  if (auto it = found_.find(run->first); it != found_.end() && it->second.run.key == status->key)
    it->second.run = *status;
  self_->send(found->actor, launched_atom_v, status);
}

/// One timer for all jobs: most are over before it fires.
void NodeState::tick() {
  tick_armed_ = false;
  flush_released();
  // A head in the same process knows of this worker as long as there is one.
  if (!context_->head_is_remote && has_leased()) renew_lease(context_->clock->monotonic());
  for (auto& [id, entry] : jobs_) {
    if (entry.running)
      self_->send(entry.actor, tick_atom_v);
    else if (!std::exchange(entry.cleaned, true) && !context_->head_is_remote)
      // (One that is elsewhere may ask for the metrics again, until it forgets the job.) A head
      // that is away for long must not keep a full scratch folder on the disk.
      self_->send(stager_, clean_atom_v, entry.key);
  }
  arm_tick();
}

void NodeState::arm_tick() {
  bool any = !released_.empty() || std::any_of(jobs_.begin(), jobs_.end(), [](const auto& entry) {
    return entry.second.running || !entry.second.cleaned;
  });
  if (!any || std::exchange(tick_armed_, true)) return;
  self_->delayed_send(self_, tick_every, tick_atom_v);
}

node_actor::behavior_type node_behavior(node_actor::stateful_pointer<NodeState> self,
                                        WorkerContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
