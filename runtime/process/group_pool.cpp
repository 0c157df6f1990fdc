#include "runtime/process/group_pool.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::process {

namespace {

/// As many short runs at a time as a machine has use for.
constexpr size_t spare_max = 16;
/// What ran longer pays for new groups easily, and has left more behind: pages of files that are
/// charged to its groups.
constexpr auto short_run = std::chrono::seconds{1};
/// People repeat what they did last, with one thing or another between.
constexpr size_t lately_max = 4;
/// A large gang's are not worth so many idle processes.
constexpr size_t parked_max = 16;

}  // namespace

GroupPool::GroupPool(Confinement where, std::string name, Spawner& spawner)
    : where_{std::move(where)}, name_{std::move(name)}, spawner_{spawner} {
  remove_groups(where_, name_ + "-");
}

Result<std::unique_ptr<RunLimits>> GroupPool::make(const LimitsWanted& wanted) {
  return RunLimits::create(where_, fmt::format("{}-{}", name_, next_++), wanted);
}

Result<RunGroups> GroupPool::take(const LimitsWanted& wanted, size_t processes) {
  bool any = (wanted.cpus > 0 && where_.cpu()) || (wanted.mem > 0 && where_.memory()) ||
             (wanted.processes > 0 && where_.processes());
  if (!any) return RunGroups{};
  Shape shape{wanted, processes};
  std::erase(lately_, shape);
  if (lately_.size() >= lately_max) lately_.erase(lately_.begin());
  lately_.push_back(shape);

  auto waiting = [&](const Spare& spare) {
    return std::count_if(spare.parked.begin(), spare.parked.end(),
                         [&](pid_t pid) { return spawner_.waits(pid); });
  };
  auto best = spare_.end();
  for (auto spare = spare_.begin(); spare != spare_.end(); ++spare)
    if (spare->limits->wanted() == wanted &&
        (best == spare_.end() || waiting(*spare) >= waiting(*best)))
      best = spare;
  if (best == spare_.end()) {
    auto limits = make(wanted);
    if (!limits) return std::move(limits).error();
    return RunGroups{std::move(*limits), {}};
  }
  RunGroups groups{std::move(best->limits), std::move(best->parked)};
  spare_.erase(best);
  for (; groups.parked.size() > processes; groups.parked.pop_back())
    spawner_.discard(groups.parked.back());
  return groups;
}

void GroupPool::give_back(std::unique_ptr<RunLimits> groups, std::chrono::microseconds lived,
                          bool met) {
  if (met || lived > short_run || !groups->clean()) return;
  if (spare_.size() >= spare_max) spare_.erase(spare_.begin());
  spare_.push_back({std::move(groups), {}});
}

size_t GroupPool::parked() const {
  size_t count = 0;
  for (const auto& spare : spare_) count += spare.parked.size();
  return count;
}

void GroupPool::park(Spare& spare, size_t processes) {
  std::erase_if(spare.parked, [&](pid_t pid) { return !spawner_.parked(pid); });
  while (spare.parked.size() < processes && parked() < parked_max) {
    auto doors = spare.limits->doors();
    auto pid = doors ? spawner_.park(std::move(*doors)) : 0;
    if (pid == 0) return;
    spare.parked.push_back(pid);
  }
}

void GroupPool::make_ready() {
  // The last kind of run first, and one set of groups for each kind.
  for (auto shape = lately_.rbegin(); shape != lately_.rend(); ++shape) {
    auto of_shape = [&](const Spare& spare) { return spare.limits->wanted() == shape->wanted; };
    auto spare = std::find_if(spare_.rbegin(), spare_.rend(), of_shape);
    if (spare != spare_.rend()) {
      park(*spare, shape->processes);
      continue;
    }
    if (spare_.size() >= spare_max) spare_.erase(spare_.begin());
    auto limits = make(shape->wanted);
    if (!limits) continue;
    spare_.push_back({std::move(*limits), {}});
    park(spare_.back(), shape->processes);
  }
}

}  // namespace troupe::process
