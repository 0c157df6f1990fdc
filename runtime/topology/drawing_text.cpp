#include "runtime/topology/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::topology {

namespace {

constexpr size_t cores_a_line = 32;

std::string bytes_of(uint64_t bytes) {
  return bytes == 0 ? std::string{}
                    : fmt::format(", {:.1f} GiB", static_cast<double>(bytes) / (1u << 30));
}

std::string device_text(const PciDevice& device) {
  std::string text = device.name;
  if (!device.bus.empty()) text += (text.empty() ? "" : " ") + device.bus;
  return text;
}

char letter_of_cpu(const Picture& picture, uint32_t cpu) {
  for (size_t i = 0; i < picture.owners.size(); ++i) {
    const auto& cpus = picture.owners[i].cpus;
    if (std::binary_search(cpus.begin(), cpus.end(), cpu)) return owner_letter(i);
  }
  return '.';
}

std::string letters_of_gpu(const Picture& picture, uint32_t gpu) {
  std::string letters;
  for (size_t i = 0; i < picture.owners.size(); ++i) {
    const auto& gpus = picture.owners[i].gpus;
    if (std::find(gpus.begin(), gpus.end(), gpu) != gpus.end()) letters += owner_letter(i);
  }
  return letters.empty() ? "." : letters;
}

void cores_of(const Picture& picture, uint32_t numa, std::string& out) {
  std::string line;
  size_t on_line = 0;
  for (const auto& core : picture.model.cores) {
    if (core.numa != numa) continue;
    if (on_line == cores_a_line) {
      out += fmt::format("      cores {}\n", line);
      line.clear(), on_line = 0;
    }
    if (on_line > 0) line += on_line % 8 == 0 ? "  " : core.cpus.size() > 1 ? " " : "";
    for (auto cpu : core.cpus) line += letter_of_cpu(picture, cpu);
    ++on_line;
  }
  if (!line.empty()) out += fmt::format("      cores {}\n", line);
}

/// Links of each GPU in words: to whom, how fast.
std::string links_of(const Model& model, uint32_t gpu) {
  std::map<uint32_t, Numbers, std::greater<>> by_speed;
  for (uint32_t other = 0; other < model.gpus.size(); ++other)
    if (auto speed = model.link(gpu, other); other != gpu && speed > 0)
      by_speed[speed].push_back(other);
  std::string text;
  for (const auto& [speed, others] : by_speed)
    text += fmt::format("{}{} GB/s to {}", text.empty() ? "" : ", ", speed / 1000, to_text(others));
  return text;
}

void devices_of(const Picture& picture, std::optional<uint32_t> numa, const char* indent,
                std::string& out) {
  const auto& model = picture.model;
  for (uint32_t gpu = 0; gpu < model.gpus.size(); ++gpu) {
    if (model.gpus[gpu].numa != numa) continue;
    out += fmt::format("{}gpu {:<2} {} {}", indent, gpu, letters_of_gpu(picture, gpu),
                       device_text(model.gpus[gpu]));
    if (auto links = links_of(model, gpu); !links.empty()) out += fmt::format("  ({})", links);
    if (auto closed = picture.closed.find(gpu); closed != picture.closed.end())
      out += fmt::format("  closed: {}", closed->second);
    out += '\n';
  }
  for (const auto& nic : model.nics)
    if (nic.numa == numa) out += fmt::format("{}nic      {}\n", indent, device_text(nic));
}

}  // namespace

char owner_letter(size_t owner) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return owner < letters.size() ? letters[owner] : '*';
}

std::string drawing_text(const Picture& picture) {
  const auto& model = picture.model;
  std::string out;
  std::optional<uint32_t> package;
  auto numas = model.numas;
  std::stable_sort(numas.begin(), numas.end(),
                   [](const Numa& a, const Numa& b) { return a.package < b.package; });
  for (const auto& numa : numas) {
    if (package != numa.package) out += fmt::format("package {}\n", numa.package);
    package = numa.package;
    auto cpus = model.cpus_of(numa.number);
    out += fmt::format("  numa {}{}{}{}\n", numa.number, cpus.empty() ? "" : ": cpus ",
                       to_text(cpus), bytes_of(numa.bytes));
    cores_of(picture, numa.number, out);
    devices_of(picture, numa.number, "      ", out);
  }
  std::string elsewhere;
  devices_of(picture, std::nullopt, "  ", elsewhere);
  if (!elsewhere.empty()) out += "near to no NUMA node\n" + elsewhere;
  for (size_t i = 0; i < picture.owners.size(); ++i) {
    const auto& owner = picture.owners[i];
    out += fmt::format("{} {}", owner_letter(i), owner.name);
    if (!owner.cpus.empty()) out += fmt::format(": cpus {}", to_text(owner.cpus));
    if (!owner.gpus.empty()) out += fmt::format(", gpus {}", fmt::join(owner.gpus, ","));
    out += '\n';
  }
  if (!model.note.empty()) out += fmt::format("note: {}\n", model.note);
  return out;
}

}  // namespace troupe::topology
