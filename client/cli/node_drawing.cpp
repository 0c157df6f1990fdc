#include "client/cli/node_drawing.hpp"

#include "client/cli/session.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/state.hpp"

#include <fmt/format.h>

namespace troupe::cli {

namespace {

// One question each to the head; a picture has letters for no more.
constexpr size_t experiments_max = 52;

/// By UUID or bus id.
std::optional<uint32_t> place_of(const topology::Model& model, const std::string& gpu) {
  for (uint32_t i = 0; i < model.gpus.size(); ++i)
    if (!gpu.empty() && model.gpus[i].uuid == gpu) return i;
  return model.gpu_at(gpu);
}

void add_jobs(const Value& entry, const std::string& node, NodeDrawing& drawing) {
  for (const auto& job : list_of(entry, "jobs")) {
    const auto* binding = job.find("binding");
    auto state = state_from_string(text_of(job, "state"));
    if (text_of(job, "node") != node || binding == nullptr || !binding->is_map() || !state ||
        is_terminal(*state))
      continue;
    topology::Owner owner;
    owner.name = text_of(job, "id");
    // On the CPUs of a whole NUMA node it is one of several.
    auto cpus = topology::parse_numbers(text_of(*binding, "cpus"));
    if (cpus && text_of(*binding, "own") == "true") owner.cpus = std::move(*cpus);
    for (const auto& gpu : list_of(*binding, "gpus"))
      if (auto place = place_of(drawing.model, gpu.to_text())) owner.gpus.push_back(*place);
    if (!owner.cpus.empty() || !owner.gpus.empty()) drawing.owners.push_back(std::move(owner));
  }
}

}  // namespace

Result<NodeDrawing> node_drawing(client::Client& head, const Value& node) {
  auto name = text_of(node, "name");
  auto text = text_of(node, "topology");
  if (text.empty())
    return Error{Errc::not_found, fmt::format("there is no drawing of node {}", name),
                 "its worker has not said what it looks like",
                 "is hwloc (libhwloc15) installed there?"};
  auto value = parse_json(text);
  if (!value) return std::move(value).error();
  auto model = topology::model_from(*value);
  if (!model) return std::move(model).error();
  NodeDrawing drawing{std::move(*model), {}, {}};
  for (const auto& device : list_of(node, "devices")) {
    auto closed = text_of(device, "closed");
    auto place = place_of(drawing.model, text_of(device, "uuid"));
    if (!place) place = drawing.model.gpu_at(text_of(device, "bus"));
    if (place && !closed.empty()) drawing.closed.emplace(*place, closed);
  }
  const auto& experiments = list_of(node, "experiments");
  for (size_t i = 0; i < experiments.size() && i < experiments_max; ++i) {
    auto id = parse_experiment_id(experiments[i].to_text());
    if (!id) continue;
    // One that ended meanwhile has nothing there any more.
    if (auto entry = head.show(*id)) add_jobs(*entry, name, drawing);
  }
  return drawing;
}

}  // namespace troupe::cli
