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

}  // namespace

GroupPool::GroupPool(Confinement where, std::string name)
    : where_{std::move(where)}, name_{std::move(name)} {
  remove_groups(where_, name_ + "-");
}

Result<std::unique_ptr<RunLimits>> GroupPool::take(const LimitsWanted& wanted) {
  bool any = (wanted.cpus > 0 && where_.cpu()) || (wanted.mem > 0 && where_.memory()) ||
             (wanted.processes > 0 && where_.processes());
  if (!any) return std::unique_ptr<RunLimits>{};
  auto spare = std::find_if(spare_.rbegin(), spare_.rend(),
                            [&](const auto& groups) { return groups->wanted() == wanted; });
  if (spare == spare_.rend())
    return RunLimits::create(where_, fmt::format("{}-{}", name_, next_++), wanted);
  auto groups = std::move(*spare);
  spare_.erase(std::next(spare).base());
  return groups;
}

void GroupPool::give_back(std::unique_ptr<RunLimits> groups, std::chrono::microseconds lived,
                          bool met) {
  if (met || lived > short_run || !groups->clean()) return;
  if (spare_.size() >= spare_max) spare_.erase(spare_.begin());
  spare_.push_back(std::move(groups));
}

}  // namespace troupe::process
