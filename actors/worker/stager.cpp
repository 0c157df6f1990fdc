#include "actors/worker/stager.hpp"

#include "actors/worker/checkpoint_look.hpp"
#include "actors/worker/job_mounts.hpp"
#include "actors/worker/job_ports.hpp"
#include "actors/worker/run_request.hpp"

namespace troupe::actors {

stager_actor::behavior_type StagerState::make_behavior(WorkerContextRef context) {
  context_ = std::move(context);
  slots_ = std::make_unique<JobSlots>(context_->paths, context_->name);
  return {
      [this](stage_atom, const StagingRef& work) { return stage_and_start(*work); },
      [this](clean_atom, const JobKey& key) { slots_->clean(key); },
      [this](forget_atom, const JobKeysRef& keys) { forget(*keys); },
      [this](forget_atom, const CheckpointDrop& drop) { drop_checkpoints(context_->paths, drop); },
  };
}

/// One at a time, so that a job that is to start waits for one of them at most: it comes with high
/// priority.
void StagerState::forget(const std::vector<JobKey>& keys) {
  if (keys.size() == 1) return slots_->release(keys.front());
  for (const auto& key : keys) self_->send(self_, forget_atom_v, share(std::vector<JobKey>{key}));
}

/// The start goes out from here: a job of milliseconds feels each further step between two threads.
caf::typed_response_promise<uint32_t, bool> StagerState::stage_and_start(const Staging& work) {
  auto promise = self_->make_response_promise<uint32_t, bool>();
  auto slot = stage(work);
  if (!slot) {
    promise.deliver(to_caf(slot.error()));
    return promise;
  }
  if (work.stop_grace_ms >= 0 || waits_for_gang(*work.order, 0)) {
    promise.deliver(*slot, false);
    return promise;
  }
  auto request = run_request(*context_, *work.order, work.data.get(), *slot, 0, work.lease);
  if (!request) {
    promise.deliver(to_caf(request.error()));
    return promise;
  }
  // First: what becomes of the run must find a job that knows of it.
  promise.deliver(*slot, true);
  let_ports_go(*context_, *work.order, 0);
  work.launcher->start(std::move(*request));
  if (auto grace = work.stop_grace_ms.load(); grace >= 0)
    work.launcher->stop(run_key(work.order->key, 0), Duration{grace});
  return promise;
}

Result<uint32_t> StagerState::stage(const Staging& work) {
  const auto& order = *work.order;
  auto slot = slots_->take(order);
  if (slot && !order.code_digest.empty())
    TROUPE_TRY(context_->code->materialise(order.code_digest, context_->paths.work(*slot)));
  if (slot && work.data) TROUPE_TRY(make_data_root(*context_, order, *work.data, *slot));
  return slot;
}

stager_actor::behavior_type stager_behavior(stager_actor::stateful_pointer<StagerState> self,
                                            WorkerContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
