#include "actors/head/scheduler.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace troupe::actors {

namespace {

// Slow enough to cost nothing however long the queue is, soon enough beside any transfer.
constexpr auto wish_every = std::chrono::milliseconds{500};

}  // namespace

scheduler_actor::behavior_type SchedulerState::make_behavior(std::shared_ptr<Clock> clock,
                                                             schedule::Policy policy) {
  clock_ = std::move(clock);
  scheduler_ = schedule::Scheduler{std::move(policy)};
  return {
      [this](attach_atom, const placement_sink& sink) { sink_ = sink; },
      [this](check_atom, const RequestRef& request) -> caf::result<bool> {
        if (auto fits = scheduler_.check(*request); !fits) return to_caf(fits.error());
        return true;
      },
      [this](queue_atom, const RequestRef& request) {
        scheduler_.set_time(time());
        if (auto queued = scheduler_.enqueue(*request); !queued)
          log::warning("scheduler", "{}", to_string(queued.error()));
        if (!request->data.empty()) arm_wishes();
        dirty();
      },
      [this](unqueue_atom, ExperimentId id) {
        bool waited = scheduler_.dequeue(id);
        if (waited) dirty();  // what stood behind it may fit now
        return waited;
      },
      [this](adopt_atom, const RequestRef& request, const JobPlacesRef& places) {
        scheduler_.set_time(time());
        scheduler_.adopt(*request, *places);
      },
      [this](release_atom, ExperimentId id, uint32_t index) {
        scheduler_.set_time(time());
        scheduler_.release(id, index);
        dirty();
      },
      [this](note_atom, ExperimentId id) {
        scheduler_.set_time(time());
        scheduler_.checkpointed(id);
        dirty();
      },
      [this](node_atom, const NodeSpecRef& node) {
        scheduler_.put_node(*node);
        dirty();
      },
      [this](lost_atom, const std::string& node) {
        scheduler_.remove_node(node);
        told_wishes_.erase(node);
        dirty();
      },
      [this](drift_atom, const DriftRef& drift) { scheduler_.put_drift(*drift); },
      [this](cached_atom, const std::string& node, const CacheReportRef& report) {
        cached(node, *report);
      },
      [this](wish_atom) {
        wish_pending_ = false;
        tell_wishes();
      },
      [this](range_atom, uint64_t set, uint32_t sure) {
        scheduler_.set_time(time());
        scheduler_.set_range(set, sure);
        dirty();
      },
      [this](open_atom) {
        open_ = true;
        dirty();
      },
      [this](pass_atom) { pass(); },
      [this](why_atom, ExperimentId id) { return why(id); },
      [this](nodes_atom) { return nodes(); },
      [this](status_atom) {
        return fmt::format("{} waiting{}", scheduler_.waiting(), open_ ? "" : ", closed");
      },
  };
}

void SchedulerState::dirty() {
  if (pass_pending_ || !open_) return;
  pass_pending_ = true;
  self_->send(self_, pass_atom_v);
}

void SchedulerState::pass() {
  pass_pending_ = false;
  // Bounded, so that a thousand starts at once do not keep queries waiting.
  constexpr size_t starts_a_pass = 256;
  scheduler_.set_time(time());
  if (wake_ && *wake_ <= time()) wake_.reset();
  auto decision = scheduler_.decide(starts_a_pass);
  if (decision.starts.size() >= starts_a_pass) dirty();
  for (auto& placement : decision.starts)
    self_->send(sink_, placed_atom_v, share(std::move(placement)));
  for (auto& stop : decision.preemptions)
    self_->send(sink_, preempt_atom_v, stop.id, std::move(stop.cause));
  if (decision.wake) wake_at(*decision.wake);
}

void SchedulerState::cached(const std::string& node, const CacheReport& report) {
  std::map<std::string, uint64_t> data;
  for (const auto& version : report.versions) {
    if (version.state == CachedVersion::State::here)
      data[version.digest] = std::numeric_limits<uint64_t>::max();
    else if (version.arrived != 0)
      data[version.digest] = version.arrived;
  }
  scheduler_.put_data(node, std::move(data));
}

void SchedulerState::arm_wishes() {
  if (std::exchange(wish_pending_, true)) return;
  self_->delayed_send(self_, wish_every, wish_atom_v);
}

/// Lets nodes fetch what those at the front of the queue will read there, and keep what others in
/// the queue need. What a node has heard already is not said again.
void SchedulerState::tell_wishes() {
  constexpr size_t forecasts_max = 8;
  std::map<std::string, CacheWishes> wishes;
  for (const auto& use : scheduler_.nodes()) wishes[use.spec.name];
  auto needs = scheduler_.data_waited_for();
  for (const auto& forecast : scheduler_.forecasts(forecasts_max))
    for (const auto& node : forecast.nodes)
      for (const auto& need : forecast.data) wishes[node].bring.push_back(need.digest);
  for (auto& [node, one] : wishes) {
    std::sort(one.bring.begin(), one.bring.end());
    one.bring.erase(std::unique(one.bring.begin(), one.bring.end()), one.bring.end());
    one.wanted = needs;
    auto& told = told_wishes_[node];
    if (told.bring == one.bring && told.wanted == one.wanted) continue;
    told = one;
    self_->send(sink_, wish_atom_v, node, CacheWishesRef{std::make_shared<CacheWishes>(one)});
  }
  if (!needs.empty()) arm_wishes();
}

void SchedulerState::wake_at(schedule::Time at) {
  auto soonest = time() + schedule::Time{1};
  at = std::max(at, soonest);
  if (wake_ && *wake_ <= at) return;
  wake_ = at;
  self_->delayed_send(self_, at - time(), pass_atom_v);
}

schedule::Time SchedulerState::time() const {
  return std::chrono::duration_cast<schedule::Time>(clock_->monotonic());
}

WaitingRef SchedulerState::why(ExperimentId id) const {
  api::Waiting waiting;
  if (!open_)
    waiting.reasons.emplace_back(
        "the head has just started and still waits for its nodes to report");
  auto explanation = scheduler_.why(id);
  for (auto& reason : explanation.reasons) waiting.reasons.push_back(std::move(reason));
  waiting.starts_now_with = explanation.starts_now_with;
  waiting.data = std::move(explanation.data);
  if (explanation.expected_start) {
    auto ahead = std::max(schedule::Time{0}, *explanation.expected_start - time());
    waiting.expected_start = rfc3339(
        {clock_->now().us + std::chrono::duration_cast<std::chrono::microseconds>(ahead).count()});
  }
  return share(std::move(waiting));
}

NodeViewsRef SchedulerState::nodes() const {
  std::vector<api::NodeView> views;
  for (const auto& use : scheduler_.nodes()) {
    api::NodeView view;
    view.name = use.spec.name;
    view.cpus = static_cast<double>(use.spec.milli_cpus) / 1000;
    view.cpus_used = static_cast<double>(use.used.milli_cpus) / 1000;
    view.mem = use.spec.mem;
    view.mem_used = use.used.mem;
    view.gpus = use.spec.gpus;
    view.gpus_used = use.used.gpus;
    view.gpu_type = use.spec.gpu_type;
    view.gpu_mem = use.spec.gpu_mem;
    view.experiments = use.experiments;
    if (view.experiments.size() > api::NodeView::experiments_max)
      view.experiments.resize(api::NodeView::experiments_max);
    view.jobs = use.jobs;
    view.labels = use.spec.labels;
    views.push_back(std::move(view));
  }
  return share(std::move(views));
}

scheduler_actor::behavior_type scheduler_behavior(
    scheduler_actor::stateful_pointer<SchedulerState> self, std::shared_ptr<Clock> clock,
    schedule::Policy policy) {
  return self->state.make_behavior(std::move(clock), std::move(policy));
}

}  // namespace troupe::actors
