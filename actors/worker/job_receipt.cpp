// What a job does about the placement receipt of its gang: one line before the first of `run`.
#include "actors/worker/job.hpp"
#include "actors/worker/receipt_rank.hpp"
#include "runtime/core/log.hpp"

namespace troupe::actors {

/// Another job of this node does that.
bool JobState::leaves_receipt() const {
  return order_->phases[phase_].receipt && !receipt_place(*order_).measures;
}

/// Whatever came of it, the job goes on: only its own lines say whether it can run. False: it was
/// none, or somebody ended it.
bool JobState::receipt_ended(const process::RunStatus& status) {
  if (!order_->phases[phase_].receipt || stop_wanted_ || status.stopped || !device_lost_.empty())
    return false;
  receipt_ = {read_receipt(receipt_file(context_->paths, slot_), status)};
  if (const auto& error = receipt_.front().error; !error.empty())
    log::warning("job", "{}: its nodes were not measured: {}", to_string(order_->key.job), error);
  go_on(phase_ + 1);
  return true;
}

}  // namespace troupe::actors
