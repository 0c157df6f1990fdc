// Whoever follows a job's log waits here until there is more of it, or none will come.
#include "actors/worker/node.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

// Shorter than the gateway's patience with us, longer than a busy log's next line.
constexpr auto log_wait_max = std::chrono::seconds{2};

}  // namespace

caf::typed_response_promise<LogStatus> NodeState::log(const JobId& id, uint64_t offset, bool wait) {
  auto promise = self_->make_response_promise<LogStatus>();
  auto status = log_status(id);
  if (!wait || !status.running || status.end > offset) {
    promise.deliver(status);
    return promise;
  }
  auto until = context_->clock->now().us + std::chrono::microseconds{log_wait_max}.count();
  log_waits_.push_back({id, offset, promise, until});
  self_->delayed_send(self_, log_wait_max, logged_atom_v, std::string{}, uint64_t{0});
  return promise;
}

LogStatus NodeState::log_status(const JobId& id) const {
  auto it = jobs_.find(id);
  if (it == jobs_.end()) return {};
  return {it->second.log_end, it->second.running};
}

void NodeState::wake_log_waits(const JobId& id) {
  auto status = log_status(id);
  std::erase_if(log_waits_, [&](LogWait& wait) {
    if (wait.job != id || (status.running && status.end <= wait.offset)) return false;
    wait.promise.deliver(status);
    return true;
  });
}

void NodeState::expire_log_waits() {
  auto now = context_->clock->now().us;
  std::erase_if(log_waits_, [&](LogWait& wait) {
    if (wait.deadline_us > now) return false;
    wait.promise.deliver(log_status(wait.job));
    return true;
  });
}

}  // namespace troupe::actors
