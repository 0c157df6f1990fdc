#include "runtime/core/node_rules.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr Duration suspect_after_min{500};
// A node that is doubted must have the time to be heard again before it is given up.
constexpr Duration doubt_min = std::chrono::seconds{2};
constexpr Duration beat_most = std::chrono::seconds{1}, silent_most = std::chrono::seconds{2};
constexpr Duration lost_after_max = std::chrono::hours{1};
constexpr Duration within_max = std::chrono::hours{24 * 30};

Error wrong(std::string what, std::string hint) {
  return Error{Errc::invalid, std::move(what), "", std::move(hint)};
}

}  // namespace

Duration NodeRules::machine_lost_after() const {
  constexpr Duration usual = limits::node_lost_after - limits::node_suspect_after;
  constexpr Duration sooner = limits::machine_lost_after - limits::node_suspect_after;
  return suspect_after + (lost_after - suspect_after) * sooner.count() / usual.count();
}

Duration NodeRules::beat_every() const {
  return std::min(beat_most, suspect_after / 3);
}

Duration NodeRules::machine_silent_after() const {
  return std::min(silent_most, suspect_after * 2 / 3);
}

Result<void> check(const NodeRules& rules) {
  if (rules.suspect_after < suspect_after_min)
    return wrong(
        fmt::format("liveness.suspect_after is {}", duration_text(rules.suspect_after)),
        fmt::format("at least {}: what is late by less is load", duration_text(suspect_after_min)));
  if (rules.lost_after < rules.suspect_after + doubt_min)
    return wrong(fmt::format("liveness.lost_after is {}, suspect_after {}",
                             duration_text(rules.lost_after), duration_text(rules.suspect_after)),
                 fmt::format("at least {} more: a node that is doubted needs the time to be heard",
                             duration_text(doubt_min)));
  if (rules.lost_after > lost_after_max)
    return wrong(fmt::format("liveness.lost_after is {}", duration_text(rules.lost_after)),
                 fmt::format("at most {}: until then nothing of a dead node starts elsewhere",
                             duration_text(lost_after_max)));
  if (rules.failures_max > 0 &&
      (rules.failures_within < std::chrono::minutes{1} || rules.failures_within > within_max))
    return wrong(fmt::format("node_failures.within is {}", duration_text(rules.failures_within)),
                 "from 1m to 30d; max: 0 drains no node for its failures");
  return ok();
}

}  // namespace troupe
