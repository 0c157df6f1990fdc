#include "hpo/study.hpp"

#include <fmt/format.h>

#include <cmath>

namespace troupe::hpo {

Result<Study> Study::make(const SweepSpec& sweep, uint64_t size) {
  StudyState state;
  state.size = size;
  return restore(sweep, state);
}

Result<Study> Study::restore(const SweepSpec& sweep, StudyState state) {
  Study study{sweep};
  if (!sweep.stop_when.empty()) {
    auto expression = Expression::parse(sweep.stop_when);
    if (!expression) return std::move(expression).error();
    study.stop_when_ = std::move(*expression);
    // Of what was reported before it is not known which names it had.
    if (state.finished + state.failed + state.killed == 0)
      for (auto& name : study.stop_when_->names()) study.never_reported_.insert(std::move(name));
  }
  study.state_ = std::move(state);
  return study;
}

Result<void> Study::set_stop_when(const std::string& text) {
  std::optional<Expression> condition;
  if (!text.empty()) {
    auto expression = Expression::parse(text);
    if (!expression) return std::move(expression).error();
    condition = std::move(*expression);
  }
  stop_when_ = std::move(condition);
  sweep_.stop_when = text;
  return ok();
}

void Study::no_more(uint64_t size, std::string why) {
  state_.size = size;
  no_more_ = std::move(why);
}

void Study::stop(const std::string& reason) {
  if (state_.stop_reason.empty()) state_.stop_reason = reason;
}

Decision Study::report(uint32_t member, State state, const std::map<std::string, double>& metrics) {
  bool new_best = take_value(member, metrics);
  if (state == State::finished) ++state_.finished;
  if (state == State::failed) ++state_.failed;
  if (state == State::killed || state == State::skipped) ++state_.killed;
  check_stop(member, metrics);
  auto out = decision();
  out.new_best = new_best;
  return out;
}

bool Study::take_value(uint32_t member, const std::map<std::string, double>& metrics) {
  if (!sweep_.metric) return false;
  auto at = metrics.find(sweep_.metric->name);
  if (at == metrics.end() || !std::isfinite(at->second)) return false;
  double value = at->second;
  auto better = [&](double a, double b) { return sweep_.metric->maximize ? a > b : a < b; };
  bool is_best = !state_.best_member || better(value, state_.best_value) ||
                 (value == state_.best_value && member < *state_.best_member);
  if (!is_best) return false;
  state_.best_member = member;
  state_.best_value = value;
  return true;
}

void Study::check_stop(uint32_t member, const std::map<std::string, double>& metrics) {
  std::erase_if(never_reported_, [&](const auto& name) { return metrics.contains(name); });
  if (!state_.stop_reason.empty()) return;
  if (sweep_.max_failures && state_.failed > *sweep_.max_failures) {
    state_.failures_passed = true;
    state_.stop_reason =
        fmt::format("{} members failed, max_failures is {}", state_.failed, *sweep_.max_failures);
  } else if (stop_when_ && stop_when_->holds(metrics)) {
    state_.stop_reason = fmt::format("member {} met stop_when: {}", member, sweep_.stop_when);
  }
}

Decision Study::decision() const {
  Decision out;
  out.stop = !state_.stop_reason.empty();
  out.kill = out.stop && (sweep_.kill_on_stop || state_.failures_passed);
  out.reason = state_.stop_reason;
  return out;
}

bool Study::all_ended() const {
  return state_.finished + state_.failed + state_.killed >= state_.size;
}

State Study::final_state(bool set_was_killed) const {
  if (state_.failures_passed) return State::failed;
  if (set_was_killed) return State::killed;
  if (state_.size == 0 && !no_more_.empty()) return State::failed;
  if (state_.size != 0 && state_.failed >= state_.size) return State::failed;
  // Members killed one by one, and nothing else came of the set: no success to speak of.
  if (state_.stop_reason.empty() && state_.size != 0 && state_.killed >= state_.size)
    return State::killed;
  return State::finished;
}

std::string Study::summary() const {
  std::string text;
  auto add = [&](uint64_t count, std::string_view word) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, word);
  };
  add(state_.finished, "finished");
  add(state_.failed, "failed");
  add(state_.killed, "killed");
  auto ended = state_.finished + state_.failed + state_.killed;
  if (ended < state_.size) add(state_.size - ended, "not ended");
  if (text.empty()) text = "no members";
  if (!no_more_.empty()) text += fmt::format("; there is no point for another: {}", no_more_);
  if (state_.finished == 0) return text;
  if (sweep_.metric && !state_.best_member)
    text += fmt::format("; none of them reported a number for {}", sweep_.metric->name);
  if (!never_reported_.empty())
    text += fmt::format("; none of them reported {}, which stop_when asks for",
                        fmt::join(never_reported_, ", "));
  return text;
}

}  // namespace troupe::hpo
