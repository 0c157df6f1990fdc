// Clusters as one types them: "64x8:V100+16xcpus=4,mem=8GiB".
#include "runtime/core/units.hpp"
#include "runtime/simulate/workload.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::simulate {
namespace {

constexpr uint64_t nodes_max = 100'000;
constexpr uint64_t gpus_max = 100'000;

Error bad(std::string_view part, std::string_view why) {
  return {Errc::invalid, fmt::format("\"{}\" describes no nodes", part), std::string{why},
          "write 64x8 for 64 nodes of 8 GPUs, 64x8:V100, or 16xcpus=4,mem=8GiB,gpus=1"};
}

bool whole_number(std::string_view text, uint64_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::string_view take(std::string_view& rest, char separator) {
  auto end = std::min(rest.find(separator), rest.size());
  auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

Result<void> fill(std::string_view part, std::string_view text, schedule::NodeSpec& spec) {
  while (!text.empty()) {
    auto item = take(text, ',');
    auto value = item;
    auto key = take(value, '=');
    uint64_t number = 0;
    if (key == "type" && !value.empty()) {
      spec.gpu_type = value;
    } else if (key == "mem") {
      auto bytes = parse_bytes(value);
      if (!bytes) return bad(part, bytes.error().detail);
      spec.mem = *bytes;
    } else if (!whole_number(value, number) || number > gpus_max) {
      return bad(part, fmt::format("\"{}\" is none of gpus=N, cpus=N, mem=SIZE, type=NAME", item));
    } else if (key == "cpus") {
      spec.milli_cpus = static_cast<int64_t>(number) * 1000;
    } else if (key == "gpus") {
      spec.gpus = static_cast<uint32_t>(number);
    } else {
      return bad(part, fmt::format("\"{}\" is none of gpus=N, cpus=N, mem=SIZE, type=NAME", item));
    }
  }
  return ok();
}

}  // namespace

Result<std::vector<schedule::NodeSpec>> read_cluster(std::string_view text) {
  std::vector<schedule::NodeSpec> nodes;
  if (text.empty()) return bad(text, "it is empty");
  auto rest = text;
  while (!rest.empty()) {
    auto part = take(rest, '+');
    auto each = part;
    uint64_t count = 0, gpus = 0;
    if (!whole_number(take(each, 'x'), count) || count == 0 || nodes.size() + count > nodes_max)
      return bad(part, fmt::format("it begins with the number of nodes, 1 to {}", nodes_max));
    schedule::NodeSpec spec;
    if (each.find('=') != std::string_view::npos) {
      if (auto filled = fill(part, each, spec); !filled) return filled.error();
    } else {
      if (!whole_number(take(each, ':'), gpus) || gpus > gpus_max)
        return bad(part, "after the x comes the number of GPUs of each");
      spec.gpus = static_cast<uint32_t>(gpus);
      spec.gpu_type = each;
    }
    for (uint64_t i = 0; i < count; ++i) {
      spec.name = fmt::format("n{:05}", nodes.size());
      nodes.push_back(spec);
    }
  }
  return nodes;
}

}  // namespace troupe::simulate
