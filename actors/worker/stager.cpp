#include "actors/worker/stager.hpp"

namespace troupe::actors {

stager_actor::behavior_type StagerState::make_behavior(WorkerContextRef context) {
  context_ = std::move(context);
  slots_ = std::make_unique<JobSlots>(context_->paths, context_->name);
  return {
      [this](stage_atom, const JobOrder& order) -> caf::result<uint32_t> {
        auto slot = stage(order);
        if (!slot) return to_caf(slot.error());
        return *slot;
      },
      [this](clean_atom, const JobKey& key) { slots_->clean(key); },
      [this](forget_atom, const JobKeysRef& keys) {
        for (const auto& key : *keys) slots_->release(key);
      },
  };
}

Result<uint32_t> StagerState::stage(const JobOrder& order) {
  auto slot = slots_->take(order);
  if (slot && !order.code_digest.empty())
    TROUPE_TRY(context_->code->materialise(order.code_digest, context_->paths.work(*slot)));
  return slot;
}

stager_actor::behavior_type stager_behavior(stager_actor::stateful_pointer<StagerState> self,
                                            WorkerContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
