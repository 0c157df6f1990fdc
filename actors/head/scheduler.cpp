#include "actors/head/scheduler.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

scheduler_actor::behavior_type SchedulerState::make_behavior() {
  return {
      [this](attach_atom, const placement_sink& sink) { sink_ = sink; },
      [this](check_atom, const RequestRef& request) -> caf::result<bool> {
        if (auto fits = scheduler_.check(*request); !fits) return to_caf(fits.error());
        return true;
      },
      [this](queue_atom, const RequestRef& request) {
        if (auto queued = scheduler_.enqueue(*request); !queued)
          log::warning("scheduler", "{}", to_string(queued.error()));
        dirty();
      },
      [this](unqueue_atom, ExperimentId id) {
        bool waited = scheduler_.dequeue(id);
        if (waited) dirty();  // what stood behind it may fit now
        return waited;
      },
      [this](adopt_atom, const RequestRef& request, const JobPlacesRef& places) {
        scheduler_.adopt(*request, *places);
      },
      [this](release_atom, ExperimentId id, uint32_t index) {
        scheduler_.release(id, index);
        dirty();
      },
      [this](node_atom, const NodeSpecRef& node) {
        scheduler_.put_node(*node);
        dirty();
      },
      [this](lost_atom, const std::string& node) {
        scheduler_.remove_node(node);
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
  auto placements = scheduler_.schedule(starts_a_pass);
  if (placements.size() == starts_a_pass) dirty();
  for (auto& placement : placements) self_->send(sink_, placed_atom_v, share(std::move(placement)));
}

WaitingRef SchedulerState::why(ExperimentId id) const {
  api::Waiting waiting;
  if (!open_)
    waiting.reasons.emplace_back(
        "the head has just started and still waits for its nodes to report");
  auto explanation = scheduler_.why(id);
  for (auto& reason : explanation.reasons) waiting.reasons.push_back(std::move(reason));
  waiting.starts_now_with = explanation.starts_now_with;
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
    view.jobs = use.jobs;
    view.labels = use.spec.labels;
    views.push_back(std::move(view));
  }
  return share(std::move(views));
}

scheduler_actor::behavior_type scheduler_behavior(
    scheduler_actor::stateful_pointer<SchedulerState> self) {
  return self->state.make_behavior();
}

}  // namespace troupe::actors
