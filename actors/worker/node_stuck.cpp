// Processes that do not end although they were killed: the head is told, and gives the node nothing
// new while they live.
#include "actors/worker/node.hpp"
#include "actors/worker/run_request.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr size_t processes_told = 3;

}  // namespace

void NodeState::stuck(const process::RunStatus& status) {
  auto run = parse_run_key(status.key);
  if (!run || stuck_.contains(status.key)) return;
  auto text =
      fmt::format("what job {} runs was killed and does not end", to_string(run->first.job));
  for (size_t i = 0; i < status.pids.size() && i < processes_told; ++i)
    text += fmt::format("{} {}", i == 0 ? ":" : ";", context_->looks.process(status.pids[i]).text);
  if (status.pids.size() > processes_told)
    text += fmt::format("; and {} more", status.pids.size() - processes_told);
  stuck_.emplace(status.key, std::move(text));
  self_->send(context_->registry, stuck_atom_v, context_->name, stuck_text());
}

void NodeState::not_stuck(const std::string& run) {
  if (stuck_.erase(run) > 0)
    self_->send(context_->registry, stuck_atom_v, context_->name, stuck_text());
}

std::string NodeState::stuck_text() const {
  std::string all;
  for (const auto& [run, text] : stuck_) all += (all.empty() ? "" : "; ") + text;
  return all;
}

}  // namespace troupe::actors
