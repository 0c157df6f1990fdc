#include "runtime/schedule/request.hpp"

namespace troupe::schedule {

const Amount& Request::amount_at(uint32_t worker) const {
  for (const auto& group : groups) {
    if (worker < group.count) return group.amount;
    worker -= group.count;
  }
  return amount;
}

Request Request::part(const Group& group) const {
  auto one = *this;
  one.groups.clear();
  one.amount = group.amount;
  one.gpu_type = group.gpu_type;
  one.gpu_mem = group.gpu_mem;
  one.labels = group.labels;
  one.workers_min = one.workers_max = group.count;
  return one;
}

}  // namespace troupe::schedule
