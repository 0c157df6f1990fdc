#include "runtime/core/recovery.hpp"

#include "runtime/core/checkpoint.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace troupe {

namespace {

/// The clocks of two machines may say that something was seen before it happened.
std::optional<Duration> between(Timestamp from, Timestamp to) {
  if (!from || !to) return std::nullopt;
  auto passed = std::chrono::microseconds{std::max<int64_t>(0, to.us - from.us)};
  return std::chrono::duration_cast<Duration>(passed);
}

/// What was reported beyond the checkpoint that it goes on from; where that has no number, beyond
/// where it begins to report.
std::optional<double> lost_steps(const AttemptRecord& before, const AttemptRecord& next) {
  if (!before.pace.first_report) return std::nullopt;
  auto last = before.pace.last_step;
  if (auto step = checkpoint_step(next.resumed))
    return std::max(0.0, last - static_cast<double>(*step));
  if (!next.pace.first_report) return std::nullopt;
  return std::max(0.0, last - next.pace.first_step + 1);
}

}  // namespace

std::optional<Recovery> recovery_of(const AttemptRecord& before, const AttemptRecord& next) {
  if (!before.pace.noticed || !next.pace.running) return std::nullopt;
  return Recovery{lost_steps(before, next), between(before.pace.failed, before.pace.noticed),
                  between(before.pace.noticed, next.pace.running),
                  between(next.pace.running, next.pace.first_report)};
}

std::string to_text(const Recovery& recovery) {
  std::string text;
  auto add = [&](const char* separator, std::string part) {
    text += (text.empty() ? "" : separator) + std::move(part);
  };
  if (const auto& lost = recovery.lost_steps)
    add("", fmt::format("{:g} step{} lost", *lost, *lost == 1 ? "" : "s"));
  if (const auto& time = recovery.detection)
    add("; ", fmt::format("noticed in {}", duration_text(*time)));
  if (const auto& time = recovery.rebuild)
    add(", ", fmt::format("rebuilt in {}", duration_text(*time)));
  if (const auto& time = recovery.warm_up)
    add(", ", fmt::format("first report after {}", duration_text(*time)));
  return text;
}

}  // namespace troupe
