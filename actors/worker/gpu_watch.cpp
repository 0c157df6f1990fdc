#include "actors/worker/gpu_watch.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr auto look_every = std::chrono::seconds{1};
// A killed process leaves its device a moment after it is gone; what stays longer stays.
constexpr int rounds_to_leave = 5;
// A driver takes some for itself on each device.
constexpr uint64_t mem_idle_max = uint64_t{1} << 30;

std::string left_over_text(const gpu::DeviceState& state,
                           const std::function<process::ProcessLook(int32_t)>& look_at) {
  if (!state.processes.empty()) {
    std::string text = "a process is left there of a job that has ended:";
    for (size_t i = 0; i < std::min<size_t>(state.processes.size(), 3); ++i)
      text += fmt::format("{} {}", i == 0 ? "" : ";", look_at(state.processes[i]).text);
    return text;
  }
  if (state.mem_used > mem_idle_max)
    return fmt::format("{:.1f} GiB of its memory are taken, and by nobody who lives",
                       static_cast<double>(state.mem_used) / (1u << 30));
  return {};
}

}  // namespace

gpu_watch_actor::behavior_type GpuWatchState::make_behavior(WorkerContextRef context,
                                                            node_actor node) {
  context_ = std::move(context);
  node_ = std::move(node);
  for (const auto& [index, device] : context_->binding.devices) {
    Watched watched;
    watched.device = device;
    devices_.push_back(std::move(watched));
  }
  self_->send(self_, tick_atom_v);
  return {
      [this](hold_atom, const OrderRef& order) {
        for (auto& watched : devices_)
          if (std::find(order->gpus.begin(), order->gpus.end(), watched.device.index) !=
                  order->gpus.end() &&
              std::find(watched.jobs.begin(), watched.jobs.end(), order->key) == watched.jobs.end())
            watched.jobs.push_back(order->key);
      },
      [this](release_atom, const JobKey& key) { release(key); },
      [this](check_atom, const JobKey& key) {
        look();
        return trouble_of(key);
      },
      [this](tick_atom) {
        look();
        self_->delayed_send(self_, look_every, tick_atom_v);
      },
  };
}

void GpuWatchState::release(const JobKey& key) {
  for (auto& watched : devices_) {
    if (std::erase(watched.jobs, key) == 0 || !watched.jobs.empty()) continue;
    watched.to_check = true;
    watched.rounds_left = rounds_to_leave;
    look_at(watched);
  }
  tell();
}

void GpuWatchState::look() {
  for (const auto& event : context_->gpu_driver->events()) {
    if (event.xid != 0) log::warning("gpu", "{}: Xid {}", event.uuid, event.xid);
    for (auto& watched : devices_)
      if (watched.device.uuid == event.uuid) watched.health.event(event);
  }
  for (auto& watched : devices_) look_at(watched);
  tell();
}

void GpuWatchState::look_at(Watched& watched) {
  auto state = context_->gpu_driver->look(watched.device.uuid);
  if (!state) {
    // Any other error is of the driver, and of all devices: nobody knows more by it.
    if (state.error().code == Errc::not_found) watched.health.lost(state.error());
    return;
  }
  watched.health.state(*state);
  if (!watched.to_check) return;
  // Somebody else has it meanwhile, whose processes these may be.
  auto left =
      watched.jobs.empty() ? left_over_text(*state, context_->looks.process) : std::string{};
  if (left.empty()) {
    watched.to_check = false;
    watched.health.left_over({});
  } else if (watched.rounds_left == 0 || --watched.rounds_left == 0) {
    watched.health.left_over(left);
  }
}

/// The head of what has changed, and the jobs of what they can not go on without.
void GpuWatchState::tell() {
  GpuReport report;
  bool changed = false;
  for (auto& watched : devices_) {
    auto closed = watched.health.closed();
    if (closed != watched.device.closed) {
      changed = true;
      if (!watched.health.broken().empty())
        for (const auto& key : watched.jobs)
          self_->send(node_, devices_atom_v, key,
                      fmt::format("GPU {} ({}): {}", watched.device.index, watched.device.uuid,
                                  watched.health.broken()));
      watched.device.closed = closed;
    }
    report.devices.push_back(watched.device);
  }
  if (changed) self_->send(node_, devices_atom_v, report);
}

std::string GpuWatchState::trouble_of(const JobKey& key) const {
  for (const auto& watched : devices_)
    if (!watched.health.broken().empty() &&
        std::find(watched.jobs.begin(), watched.jobs.end(), key) != watched.jobs.end())
      return fmt::format("GPU {} ({}): {}", watched.device.index, watched.device.uuid,
                         watched.health.broken());
  return {};
}

gpu_watch_actor::behavior_type gpu_watch_behavior(
    gpu_watch_actor::stateful_pointer<GpuWatchState> self, WorkerContextRef context,
    node_actor node) {
  return self->state.make_behavior(std::move(context), std::move(node));
}

}  // namespace troupe::actors
