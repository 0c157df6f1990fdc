#include "actors/head/lag_probe.hpp"

#include "runtime/core/log.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr auto every = std::chrono::seconds{1};
// Clients are told after 3 s that the head does not answer: people are to know why before that.
constexpr auto late = std::chrono::seconds{1};

}  // namespace

lag_probe_actor::behavior_type LagProbeState::make_behavior(HeadContextRef context,
                                                            Targets targets) {
  context_ = std::move(context);
  for (auto& [called, actor] : targets) {
    Target target;
    target.lag = &context_->metrics->gauge(
        fmt::format("troupe_actor_lag_seconds{{actor=\"{}\"}}", called),
        "How long a message to this actor of the head waits before it is handled.");
    target.name = std::move(called);
    target.actor = std::move(actor);
    targets_.push_back(std::move(target));
  }
  self_->send(self_, tick_atom_v);
  return {
      [this](tick_atom) {
        self_->delayed_send(self_, every, tick_atom_v);
        for (size_t i = 0; i < targets_.size(); ++i) ask(i);
      },
  };
}

void LagProbeState::ask(size_t index) {
  auto& target = targets_[index];
  if (target.asked) return look(target, false);
  target.asked = true;
  target.at = context_->clock->monotonic();
  // tidy: allow infinite: that it does not answer is what is looked for
  self_->request(target.actor, caf::infinite, status_atom_v)
      .then([this, index](const std::string&) { look(targets_[index], true); },
            [this, index](caf::error&) { look(targets_[index], true); });
}

void LagProbeState::look(Target& target, bool answered) {
  auto waited = context_->clock->monotonic() - target.at;
  target.lag->set(std::chrono::duration<double>(waited).count());
  if (answered) target.asked = false;
  auto text = duration_text(std::chrono::duration_cast<Duration>(waited));
  if (waited > late && !std::exchange(target.told, true))
    log::warning("lag", "the head's {} is late: a message waits for {}", target.name, text);
  else if (waited <= late && answered && std::exchange(target.told, false))
    log::warning("lag", "the head's {} is in time again", target.name);
}

lag_probe_actor::behavior_type lag_probe_behavior(
    lag_probe_actor::stateful_pointer<LagProbeState> self, HeadContextRef context,
    LagProbeState::Targets targets) {
  return self->state.make_behavior(std::move(context), std::move(targets));
}

}  // namespace troupe::actors
