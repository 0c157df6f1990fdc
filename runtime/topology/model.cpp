#include "runtime/topology/model.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

namespace troupe::topology {

namespace {

constexpr uint32_t path_weight = 4;      // a bridge in common says more than ...
constexpr uint32_t same_numa = 2;        // ... the same NUMA node, and that more than ...
constexpr uint32_t same_package = 1;     // ... the same package
constexpr uint32_t nearness_max = 255;   // by PCI
constexpr uint32_t mb_per_level = 1000;  // links that differ by less are alike

bool by_bus(const PciDevice& a, const PciDevice& b) {
  return std::tie(a.bus, a.name) < std::tie(b.bus, b.name);
}

}  // namespace

Numbers Model::cpus() const {
  Numbers all;
  for (const auto& core : cores) all.insert(all.end(), core.cpus.begin(), core.cpus.end());
  std::sort(all.begin(), all.end());
  return all;
}

Numbers Model::cpus_of(uint32_t numa) const {
  Numbers all;
  for (const auto& core : cores)
    if (core.numa == numa) all.insert(all.end(), core.cpus.begin(), core.cpus.end());
  std::sort(all.begin(), all.end());
  return all;
}

const Numa* Model::find_numa(uint32_t number) const {
  auto at = std::find_if(numas.begin(), numas.end(),
                         [&](const Numa& numa) { return numa.number == number; });
  return at == numas.end() ? nullptr : &*at;
}

std::optional<uint32_t> Model::gpu_at(std::string_view bus) const {
  auto wanted = bus_id(bus);
  for (uint32_t i = 0; i < gpus.size(); ++i)
    if (!wanted.empty() && gpus[i].bus == wanted) return i;
  return std::nullopt;
}

uint32_t Model::link(uint32_t a, uint32_t b) const {
  for (const auto& link : links)
    if (link.a == std::min(a, b) && link.b == std::max(a, b)) return link.mb_per_s;
  return 0;
}

uint32_t Model::nearness(const PciDevice& a, const PciDevice& b) const {
  uint32_t near = 0;
  for (size_t i = 0; i < a.path.size() && i < b.path.size() && a.path[i] == b.path[i]; ++i)
    near += path_weight;
  if (!a.numa || !b.numa) return std::min(near, nearness_max);
  const auto *x = find_numa(*a.numa), *y = find_numa(*b.numa);
  if (*a.numa == *b.numa) near += same_numa;
  if (x != nullptr && y != nullptr && x->package == y->package) near += same_package;
  return std::min(near, nearness_max);
}

std::vector<uint32_t> Model::gpu_nearness() const {
  std::vector<uint32_t> near(gpus.size() * gpus.size(), 0);
  for (uint32_t a = 0; a < gpus.size(); ++a)
    for (uint32_t b = 0; b < gpus.size(); ++b)
      if (a != b) near[a * gpus.size() + b] = nearness(gpus[a], gpus[b]);
  for (const auto& link : links) {
    auto level = link.mb_per_s / mb_per_level * (nearness_max + 1);
    near[link.a * gpus.size() + link.b] += level;
    near[link.b * gpus.size() + link.a] += level;
  }
  return near;
}

std::vector<uint32_t> Model::nics_near(uint32_t gpu) const {
  std::vector<uint32_t> best;
  uint32_t most = 0;
  for (uint32_t i = 0; i < nics.size(); ++i) {
    auto near = nearness(gpus[gpu], nics[i]);
    if (best.empty() || near > most) best.clear(), most = near;
    if (near == most) best.push_back(i);
  }
  return best;
}

void Model::sort() {
  std::vector<uint32_t> order(gpus.size()), place(gpus.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return by_bus(gpus[a], gpus[b]); });
  std::vector<Gpu> sorted;
  for (uint32_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    sorted.push_back(std::move(gpus[order[i]]));
  }
  gpus = std::move(sorted);
  for (auto& link : links) {
    auto a = place[link.a], b = place[link.b];
    link.a = std::min(a, b), link.b = std::max(a, b);
  }
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return std::tie(a.a, a.b) < std::tie(b.a, b.b); });
  std::stable_sort(nics.begin(), nics.end(), by_bus);
  std::sort(numas.begin(), numas.end(),
            [](const Numa& a, const Numa& b) { return a.number < b.number; });
  std::sort(cores.begin(), cores.end(),
            [](const Core& a, const Core& b) { return a.cpus < b.cpus; });
}

void Model::keep_cpus(const Numbers& usable) {
  for (auto& core : cores)
    std::erase_if(core.cpus, [&](uint32_t cpu) {
      return !std::binary_search(usable.begin(), usable.end(), cpu);
    });
  std::erase_if(cores, [](const Core& core) { return core.cpus.empty(); });
  std::erase_if(numas, [&](const Numa& numa) {
    return std::none_of(cores.begin(), cores.end(),
                        [&](const Core& core) { return core.numa == numa.number; });
  });
}

namespace {

ValueMap device_value(const PciDevice& device) {
  ValueMap map{{"bus", device.bus}};
  if (!device.name.empty()) map.emplace("name", device.name);
  if (device.numa) map.emplace("numa", *device.numa);
  ValueList path;
  for (const auto& bridge : device.path) path.emplace_back(bridge);
  if (!path.empty()) map.emplace("path", std::move(path));
  return map;
}

/// Reads members, and remembers that one was not as it should be.
class Reader {
 public:
  uint64_t number(const Value& map, const char* key) {
    const auto* value = map.find(key);
    bool good = value != nullptr && value->is_int() && value->as_int() >= 0;
    good_ = good_ && good;
    return good ? static_cast<uint64_t>(value->as_int()) : 0;
  }
  uint32_t small(const Value& map, const char* key) {
    auto value = number(map, key);
    good_ = good_ && value <= std::numeric_limits<uint32_t>::max();
    return static_cast<uint32_t>(value);
  }
  std::string text(const Value& map, const char* key) {
    const auto* value = map.find(key);
    if (value == nullptr) return {};
    good_ = good_ && value->is_string();
    return value->is_string() ? value->as_string() : std::string{};
  }
  const ValueList& list(const Value& map, const char* key) {
    static const ValueList none;
    const auto* value = map.find(key);
    if (value == nullptr) return none;
    good_ = good_ && value->is_list();
    return value->is_list() ? value->as_list() : none;
  }
  Numbers numbers(const Value& map, const char* key) {
    auto read = parse_numbers(text(map, key));
    good_ = good_ && read.has_value();
    return read ? std::move(*read) : Numbers{};
  }
  void device(const Value& map, PciDevice& device) {
    device.bus = text(map, "bus");
    device.name = text(map, "name");
    if (map.find("numa") != nullptr) device.numa = small(map, "numa");
    for (const auto& bridge : list(map, "path")) {
      good_ = good_ && bridge.is_string();
      device.path.push_back(bridge.to_text());
    }
  }
  bool good() const { return good_; }

 private:
  bool good_ = true;
};

}  // namespace

Value to_value(const Model& model) {
  ValueList numas, cores, gpus, nics, links;
  for (const auto& numa : model.numas)
    numas.emplace_back(
        ValueMap{{"numa", numa.number}, {"package", numa.package}, {"bytes", numa.bytes}});
  for (const auto& core : model.cores)
    cores.emplace_back(ValueMap{{"numa", core.numa}, {"cpus", to_text(core.cpus)}});
  for (const auto& gpu : model.gpus) {
    auto map = device_value(gpu);
    if (!gpu.uuid.empty()) map.emplace("uuid", gpu.uuid);
    gpus.emplace_back(std::move(map));
  }
  for (const auto& nic : model.nics) nics.emplace_back(device_value(nic));
  for (const auto& link : model.links)
    links.emplace_back(ValueMap{{"a", link.a}, {"b", link.b}, {"mb_per_s", link.mb_per_s}});
  ValueMap map{{"numas", std::move(numas)},
               {"cores", std::move(cores)},
               {"gpus", std::move(gpus)},
               {"nics", std::move(nics)},
               {"links", std::move(links)}};
  if (!model.note.empty()) map.emplace("note", model.note);
  return map;
}

Result<Model> model_from(const Value& value) {
  Reader in;
  Model model;
  for (const auto& each : in.list(value, "numas"))
    model.numas.push_back(
        {in.small(each, "numa"), in.small(each, "package"), in.number(each, "bytes")});
  for (const auto& each : in.list(value, "cores"))
    model.cores.push_back({in.small(each, "numa"), in.numbers(each, "cpus")});
  for (const auto& each : in.list(value, "gpus")) {
    Gpu gpu;
    in.device(each, gpu);
    gpu.uuid = in.text(each, "uuid");
    model.gpus.push_back(std::move(gpu));
  }
  for (const auto& each : in.list(value, "nics")) in.device(each, model.nics.emplace_back());
  bool links_good = true;
  for (const auto& each : in.list(value, "links")) {
    Link link{in.small(each, "a"), in.small(each, "b"), in.small(each, "mb_per_s")};
    links_good = links_good && link.a < link.b && link.b < model.gpus.size();
    model.links.push_back(link);
  }
  model.note = in.text(value, "note");
  if (!value.is_map() || !in.good() || !links_good)
    return Error{Errc::invalid, "this is no topology", "a part of it is missing or of another kind",
                 "was it written by another version of troupe?"};
  return model;
}

}  // namespace troupe::topology
