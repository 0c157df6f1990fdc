#include "actors/worker/binding_books.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr int64_t whole_cpu = 1000;

}  // namespace

topology::Numbers BindingBooks::taken() const {
  topology::Numbers all;
  for (const auto& [key, cpus] : taken_) topology::add(all, cpus);
  return all;
}

/// Parts of CPUs, and the one that all get who ask for none, are for jobs that wait most of the
/// time: they share what there is.
Binding BindingBooks::wish_of(const JobOrder& order) const {
  if (auto wish = binding_from(order.binding)) return *wish;
  if (rules_.binding) return *rules_.binding;
  bool several = order.milli_cpus > whole_cpu || !order.gpus.empty();
  bool whole = order.milli_cpus >= whole_cpu && order.milli_cpus % whole_cpu == 0 && several;
  return rules_.cores_are_ours && whole ? Binding::cores : Binding::off;
}

/// Of its GPUs in the model; the head counts them as their driver does.
std::vector<uint32_t> BindingBooks::places_of(const JobOrder& order) const {
  std::vector<uint32_t> places;
  if (!rules_.model) return places;
  for (auto gpu : order.gpus) {
    auto device = rules_.devices.find(gpu);
    if (device == rules_.devices.end()) continue;
    if (auto place = rules_.model->gpu_at(device->second.bus)) places.push_back(*place);
  }
  return places;
}

JobBound BindingBooks::take(const JobOrder& order) {
  JobBound bound;
  for (auto gpu : order.gpus)
    if (auto device = rules_.devices.find(gpu); device != rules_.devices.end())
      bound.gpus.push_back(device->second.uuid.empty() ? device->second.bus : device->second.uuid);
  auto wish = wish_of(order);
  if (!rules_.model) {
    if (wish != Binding::off) bound.note = "the topology of its machine cannot be read";
    return bound;
  }
  topology::Wanted wanted;
  wanted.binding = wish;
  wanted.cpus = static_cast<uint32_t>((order.milli_cpus + whole_cpu - 1) / whole_cpu);
  wanted.ranks = order.processes;
  wanted.chosen_gpus = places_of(order);
  topology::Taken taken;
  taken.cpus = this->taken();
  auto placed = topology::place(*rules_.model, taken, wanted);
  if (!placed) {
    bound.note = placed.error().what;
    return bound;
  }
  bound.cpus = topology::to_text(placed->cpus);
  bound.memory = topology::to_text(placed->memory);
  bound.own = placed->own;
  bound.note = placed->note;
  for (const auto& rank : placed->ranks) {
    RankBound one{topology::to_text(rank.cpus), topology::to_text(rank.memory), {}};
    // Where there is but one, it is no choice and no news.
    if (rank.nic && rules_.model->nics.size() > 1) {
      const auto& nic = rules_.model->nics[*rank.nic];
      one.nic = nic.name.empty() ? nic.bus : nic.name;
    }
    bound.ranks.push_back(std::move(one));
  }
  if (placed->own) taken_[order.key] = std::move(placed->cpus);
  return bound;
}

void BindingBooks::adopt(const JobKey& key, const JobBound& bound) {
  if (!bound.own) return;
  if (auto cpus = topology::parse_numbers(bound.cpus)) taken_[key] = std::move(*cpus);
}

}  // namespace troupe::actors
