#include "actors/head/hang_watch.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace troupe::actors {

namespace {

/// Pulses come once a second. What is older was said by a node that cannot be heard now.
constexpr auto fresh = std::chrono::seconds{4};
/// What is told of an attempt: a gang of thousands would fill pages.
constexpr size_t ranks_told = 8;
/// Ranks that hold each other up fall silent within a step, and are heard of a second apart: they
/// are to be named together.
constexpr auto together = std::chrono::seconds{2};

std::string rank_text(const RankPulse& rank, const JobRecord& job, Duration quiet, Timestamp wall) {
  auto text = fmt::format("rank {} on {}: ", rank.rank, job.node);
  if (rank.by == RankPulse::By::nothing) {
    text += fmt::format("nothing since its start {} ago", duration_text(quiet));
  } else {
    auto last = Timestamp{wall.us - std::chrono::microseconds{quiet}.count()};
    text += rank.has_step                     ? fmt::format("last step {}", rank.step.value)
            : rank.by == RankPulse::By::calls ? std::string{"last collective call"}
                                              : std::string{"last line"};
    text += fmt::format(" at {}", rfc3339(last));
  }
  if (!rank.process.empty()) text += "; " + rank.process;
  return text;
}

}  // namespace

void HangWatch::update(const JobUpdate& update, Time now) {
  if (update.key.epoch < epoch_) return;
  if (update.key.epoch > epoch_) {
    epoch_ = update.key.epoch;
    jobs_.clear();
  }
  auto& job = jobs_[update.key.job.index];
  job.waits = update.step == JobStep::phase_done;
  if (update.ranks.empty()) return;
  job.heard = now;
  job.ranks = update.ranks;
}

/// All ranks that are to be judged; nothing where one of their nodes is not heard.
std::optional<std::vector<HangWatch::Seen>> HangWatch::seen(const ExperimentRecord& record,
                                                            Time now) const {
  std::vector<Seen> all;
  for (const auto& job : record.attempts.back().jobs) {
    if (is_terminal(job.state)) continue;
    auto known = jobs_.find(job.index);
    if (known == jobs_.end()) return std::nullopt;
    if (known->second.waits) continue;
    auto age = now - known->second.heard;
    if (known->second.ranks.empty() || age > fresh) return std::nullopt;
    for (const auto& rank : known->second.ranks)
      all.push_back({&rank, &job, Duration{rank.quiet_ms}});
  }
  return all;
}

std::vector<HangWatch::Seen> HangWatch::standing(const std::vector<Seen>& all) const {
  auto quiet = [&](const Seen& each) { return each.quiet >= patience_; };
  std::vector<Seen> found;
  auto overdue = [&](const Seen& each) { return each.quiet >= patience_ + together; };
  if (std::none_of(all.begin(), all.end(), overdue)) return found;
  if (std::all_of(all.begin(), all.end(), quiet)) return all;
  bool metrics = std::any_of(all.begin(), all.end(), [](const Seen& each) {
    return each.rank->by == RankPulse::By::metrics;
  });
  for (const auto& each : all) {
    // Twice: what a rank says while it starts may take long, too, and is no habit.
    bool judged = metrics ? each.rank->by == RankPulse::By::metrics
                          : Duration{each.rank->steady_ms} >= 2 * patience_;
    if (judged && quiet(each)) found.push_back(each);
  }
  if (std::none_of(found.begin(), found.end(), overdue)) found.clear();
  return found;
}

/// Those that do not wait while all others do: "rank 1 holds up the others, which wait".
std::string HangWatch::held_up_by(const std::vector<Seen>& all) const {
  std::string names;
  size_t waiting = 0, others = 0;
  for (const auto& each : all) {
    // Who still makes progress, or was not looked at, says nothing of this.
    if (each.quiet < patience_ || each.rank->process.empty()) return {};
    if (each.rank->waits) {
      ++waiting;
    } else if (++others <= ranks_told) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", each.rank->rank);
    }
  }
  if (waiting == 0 || others == 0 || others > std::min(waiting, ranks_told)) return {};
  return fmt::format("rank{} {} hold{} up the others, which wait", others == 1 ? "" : "s", names,
                     others == 1 ? "s" : "");
}

Error HangWatch::error(const ExperimentRecord& record, const std::vector<Seen>& all,
                       const std::vector<Seen>& standing, Timestamp wall) const {
  std::string names, detail = held_up_by(all);
  std::set<uint32_t> told;
  for (const auto* list : {&standing, &all})
    for (const auto& each : *list) {
      bool stands = list == &standing;
      if (stands && told.size() < ranks_told)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", each.rank->rank);
      // Of the others those that are as quiet: the one that holds all up may never have spoken.
      if ((!stands && each.quiet < patience_) || told.size() >= ranks_told) continue;
      if (!told.insert(each.rank->rank).second) continue;
      detail += (detail.empty() ? "" : "; ") + rank_text(*each.rank, *each.job, each.quiet, wall);
    }
  if (standing.size() > ranks_told)
    names += fmt::format(" and {} more", standing.size() - ranks_told);
  return Error{
      Errc::timed_out,
      fmt::format("rank{} {} of {} made no progress for {}", standing.size() == 1 ? "" : "s", names,
                  all.size(), duration_text(patience_)),
      detail,
      fmt::format("troupe logs {}; is a step longer than that, raise watchdog.patience",
                  to_string(record.id))};
}

HangWatch::Verdict HangWatch::look(const ExperimentRecord& record, Timestamp wall, Time now) const {
  if (record.attempts.empty() || record.attempts.back().epoch != epoch_) return {};
  auto all = seen(record, now);
  if (!all || all->empty()) return {};
  auto found = standing(*all);
  if (found.empty()) return {true, std::nullopt};
  return {true, error(record, *all, found, wall)};
}

}  // namespace troupe::actors
