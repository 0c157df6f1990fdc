// Where the workers of a request go: each of these ways holds what it places, all of it or nothing.
// (Gangs of several kinds of workers: groups.cpp.)
#include "runtime/schedule/nodes.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

namespace troupe::schedule {

namespace {

/// The device that would have least left over after giving away this part; none where no device has
/// it.
std::optional<uint32_t> device_for_part(const Node& node, uint32_t share) {
  std::optional<uint32_t> best;
  for (uint32_t i = 0; i < node.spec.gpus; ++i)
    if (node.lends(i) && node.gpu_used[i] + share <= whole_gpu &&
        (!best || node.gpu_used[i] > node.gpu_used[*best]))
      best = i;
  return best;
}

}  // namespace

std::vector<JobPlace> Nodes::place(const Request& request) {
  if (!request.groups.empty()) return place_groups(request);
  if (fragments_) return place_scored(request);
  if (request.amount.shares()) return place_part(request);
  // Filling the best node first equals placing one worker after the other by best fit: a worker
  // leaves its node with even less over, so that node stays the best while it has room.
  std::vector<JobPlace> places;
  bool any = request.data.empty() && (drift_.empty() || request.workers_max == 1);
  auto found = any ? candidates(request) : candidates_by_fitness(request);
  uint64_t room = 0;
  for (auto index : found) room += slots(nodes_[index].open(), request.amount);
  if (room < request.workers_min) return places;
  for (auto index : found) {
    auto count = slots(nodes_[index].open(), request.amount);
    for (; count > 0 && places.size() < request.workers_max; --count)
      places.push_back(take(index, request, static_cast<uint32_t>(places.size())));
    if (places.size() == request.workers_max) break;
  }
  return places;
}

/// Parts of GPUs: the device with the least left over, on the node with the least left over.
std::vector<JobPlace> Nodes::place_part(const Request& request) {
  std::vector<JobPlace> places;
  while (places.size() < request.workers_max) {
    auto best = nodes_.size();
    std::tuple<uint32_t, uint32_t, bool, uint64_t, Key> least;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto& node = nodes_[i];
      if (!node.usable(request) || room_for(node, request) == 0) continue;
      auto device = device_for_part(node, request.amount.gpu_share);
      if (!device || (node.gpu_used[*device] == 0 && node.open().gpus == 0)) continue;
      std::tuple<uint32_t, uint32_t, bool, uint64_t, Key> left{
          whole_gpu - node.gpu_used[*device], node.open().gpus, avoids(node, request),
          node.missing(request.data), key_of(node, i)};
      if (best == nodes_.size() || left < least) best = i, least = left;
    }
    if (best == nodes_.size()) break;
    places.push_back(take(best, request, static_cast<uint32_t>(places.size())));
  }
  if (places.size() >= request.workers_min) return places;
  for (const auto& place : places) give_back(place, request.amount);
  return {};
}

/// One worker after the other where the fewest fragments come of it; then where most of its data
/// is.
std::vector<JobPlace> Nodes::place_scored(const Request& request) {
  std::vector<JobPlace> places;
  while (places.size() < request.workers_max) {
    auto best = nodes_.size();
    Fragmentation::Choice choice;
    uint64_t choice_missing = 0;
    bool choice_avoided = false;
    auto& remembered = fragments_->remembered(request, nodes_.size());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const auto& here = fragments_->choose(nodes_[i], i, request, remembered);
      if (!here) continue;
      auto missing = nodes_[i].missing(request.data);
      auto avoided = avoids(nodes_[i], request);
      if (best != nodes_.size() &&
          std::tuple{-here->score, avoided, missing, here->idle} >=
              std::tuple{-choice.score, choice_avoided, choice_missing, choice.idle})
        continue;
      best = i, choice = *here, choice_missing = missing, choice_avoided = avoided;
    }
    if (best == nodes_.size()) break;
    JobPlace place{static_cast<uint32_t>(places.size()), nodes_[best].spec.name, {}};
    place.gpus = request.amount.shares() ? std::vector<uint32_t>{choice.device}
                                         : nodes_[best].best_gpus(request.amount.gpus);
    hold(place, request.amount);
    places.push_back(std::move(place));
  }
  if (places.size() >= request.workers_min) return places;
  for (const auto& place : places) give_back(place, request.amount);
  return {};
}

std::vector<JobPlace> Nodes::place_on(const std::vector<std::string>& names,
                                      const Request& request) {
  std::vector<JobPlace> places;
  Request one;
  for (const auto& name : names) {
    auto index = index_of(name);
    const auto& amount = one.amount = request.amount_at(static_cast<uint32_t>(places.size()));
    auto rest = amount;
    if (amount.shares()) rest.gpus = 0;
    bool room =
        index < nodes_.size() && nodes_[index].spec.accepts && fits(nodes_[index].free(), rest);
    if (room && amount.shares())
      room = device_for_part(nodes_[index], amount.gpu_share).has_value();
    if (!room) {
      for (const auto& place : places) give_back(place, request.amount_at(place.index));
      return {};
    }
    places.push_back(take(index, one, static_cast<uint32_t>(places.size())));
  }
  return places;
}

JobPlace Nodes::take(size_t index, const Request& request, uint32_t number) {
  const auto& node = nodes_[index];
  JobPlace place{number, node.spec.name, {}};
  if (request.amount.shares()) {
    if (auto device = device_for_part(node, request.amount.gpu_share)) place.gpus = {*device};
  } else {
    place.gpus = node.best_gpus(request.amount.gpus);
  }
  hold(place, request.amount);
  return place;
}

/// Who runs on one node alone has no use for its links.
bool Nodes::avoids(const Node& node, const Request& request) const {
  return request.workers_max > 1 && drift_.contains(node.spec.name);
}

uint64_t Nodes::room_for(const Node& node, const Request& request) const {
  auto open = node.open();
  if (!request.amount.shares()) return slots(open, request.amount);
  uint64_t parts = 0;
  for (uint32_t i = 0; i < node.spec.gpus; ++i)
    if (node.lends(i) && node.gpu_used[i] < whole_gpu)
      parts += (whole_gpu - node.gpu_used[i]) / request.amount.gpu_share;
  auto rest = request.amount;
  rest.gpus = 0;
  return std::min(parts, slots(open, rest));
}

}  // namespace troupe::schedule
