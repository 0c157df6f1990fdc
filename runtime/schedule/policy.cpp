#include "runtime/schedule/policy.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::schedule {

uint64_t service_rate(const Amount& amount, size_t workers) {
  constexpr uint64_t cpus_of_a_gpu = 8;  // about what a GPU server has for each of its GPUs
  auto gpus = static_cast<uint64_t>(amount.gpus) * amount.gpu_share;
  auto cpus = static_cast<uint64_t>(std::max<int64_t>(amount.milli_cpus, 0)) / cpus_of_a_gpu;
  return std::max<uint64_t>(gpus != 0 ? gpus : cpus, 1) * workers;
}

Policy Policy::backfill() {
  Policy policy;
  policy.passing = Passing::backfill;
  return policy;
}

Policy Policy::greedy() {
  Policy policy;
  policy.passing = Passing::any;
  return policy;
}

Policy Policy::attained() {
  Policy policy;
  policy.passing = Passing::any;
  // Steps of four: many levels cost nothing and win on long tails of run times.
  for (uint64_t limit = gpu_hour / 5; policy.level_limits.size() < 7;
       limit = policy.level_limits.size() == 1 ? gpu_hour : limit * 4)
    policy.level_limits.push_back(limit);
  policy.preempt = true;
  // Long against what a stop and a restart cost (seconds), short against people's patience.
  policy.slice = std::chrono::minutes{10};
  // A day without running is what nobody may see; the rest of it is left to make room.
  policy.starving_after = std::chrono::hours{20};
  policy.rescue_slice = std::chrono::hours{1};
  policy.fair_share = true;
  return policy;
}

Result<Policy> policy_named(std::string_view name) {
  if (name == "fifo") return Policy::fifo();
  if (name == "backfill") return Policy::backfill();
  if (name == "greedy") return Policy::greedy();
  if (name == "attained") return Policy::attained();
  return Error{Errc::invalid, fmt::format("no policy {}", name), "",
               "there are fifo, backfill, greedy and attained"};
}

}  // namespace troupe::schedule
