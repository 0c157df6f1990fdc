#include "runtime/schedule/shares.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::schedule {
namespace {

/// Whoever wants nothing and used less than a GPU-second.
constexpr auto forgotten = [](const auto& use) { return use.wants <= 0 && use.used < 1e6; };

constexpr int32_t steps_max = 7;  // of a user; a project's count eight times as much

/// The step for one who used `ratio` times their share, where they stood at `before`. The way back
/// down is later than the way up, so that nobody is moved to and fro at a border.
int32_t step_of(double ratio, int32_t before) {
  constexpr double first = 1.5, back = 0.8;
  int32_t step = 0;
  for (double border = first; step < steps_max; border *= 2, ++step)
    if (ratio < (step < before ? border * back : border)) break;
  return step;
}

}  // namespace

void Shares::settle(Use& use, Time now) const {
  if (now <= use.at) return;
  auto passed = static_cast<double>((now - use.at).count());
  auto life = static_cast<double>(half_life_.count());
  auto left = std::exp2(-passed / life);
  use.used = use.used * left + use.rate * (1 - left) * life / std::log(2.0);
  use.at = now;
}

void Shares::wants(const Request& request, int change, Time now) {
  auto& project = projects_[request.project];
  auto& user = project.users[request.user];
  for (Use* use : {static_cast<Use*>(&project), &user}) {
    settle(*use, now);
    use->wants += change;
  }
}

void Shares::rate(const Request& request, int64_t change, Time now) {
  auto& project = projects_[request.project];
  auto& user = project.users[request.user];
  for (Use* use : {static_cast<Use*>(&project), &user}) {
    settle(*use, now);
    use->rate += static_cast<double>(change);
  }
}

template <class Uses>
bool Shares::compare(Uses& uses, Time now) {
  double total = 0;
  int64_t count = 0;
  for (auto& [name, use] : uses) {
    settle(use, now);
    if (use.wants > 0) total += use.used, ++count;
  }
  bool changed = false;
  for (auto& [name, use] : uses) {
    if (use.wants <= 0) continue;
    // The first GPU-minute of a new cluster says nothing about anybody.
    constexpr double too_little = 1e9;
    auto ratio = total < too_little ? 0 : use.used * static_cast<double>(count) / total;
    auto step = count < 2 ? 0 : step_of(ratio, use.standing);
    changed = changed || step != use.standing;
    use.standing = step;
  }
  return changed;
}

bool Shares::refresh(Time now) {
  bool changed = compare(projects_, now);
  for (auto at = projects_.begin(); at != projects_.end();) {
    auto& project = at->second;
    changed = compare(project.users, now) || changed;
    std::erase_if(project.users, [](const auto& user) { return forgotten(user.second); });
    at = project.users.empty() ? projects_.erase(at) : std::next(at);
  }
  return changed;
}

int32_t Shares::standing(const Request& request) const {
  auto project = projects_.find(request.project);
  if (project == projects_.end()) return 0;
  auto user = project->second.users.find(request.user);
  auto own = user == project->second.users.end() ? 0 : user->second.standing;
  return project->second.standing * (steps_max + 1) + own;
}

bool Shares::contended() const {
  size_t users = 0;
  for (const auto& [name, project] : projects_)
    for (const auto& [user, use] : project.users) users += use.wants > 0 ? 1 : 0;
  return users > 1;
}

}  // namespace troupe::schedule
