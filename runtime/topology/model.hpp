// What a machine looks like to whoever puts jobs on it: CPUs, memory, GPUs, network cards, and how
// near they are to each other. A value, read by gpu/topology and nccl_xml.hpp; travels as JSON.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/value.hpp"
#include "runtime/topology/numbers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::topology {

/// A NUMA node with processors. Memory of GPUs that is one too is none of these.
struct Numa {
  uint32_t number = 0;  // as the kernel counts
  uint32_t package = 0;
  uint64_t bytes = 0;  // 0: not known
  bool operator==(const Numa&) const = default;
};

struct Core {
  uint32_t numa = 0;  // number
  Numbers cpus;       // its hardware threads
  bool operator==(const Core&) const = default;
};

/// Something on PCI. `path` are the bridges above it, the outermost first: two devices are the
/// nearer the more of it they have in common.
struct PciDevice {
  std::string bus;               // "0000:3b:00.0"; empty: it was not said
  std::string name;              // "mlx5_0", "NVIDIA H100"; may be empty
  std::optional<uint32_t> numa;  // number; none: near to no one in particular
  std::vector<std::string> path;
  bool operator==(const PciDevice&) const = default;
};

struct Gpu : PciDevice {
  std::string uuid;  // empty: not known
  bool operator==(const Gpu&) const = default;
};

/// NVLink or the like between two GPUs, through switches or not.
struct Link {
  uint32_t a = 0, b = 0;  // places in `gpus`, a below b
  uint32_t mb_per_s = 0;  // one way
  bool operator==(const Link&) const = default;
};

struct Model {
  std::vector<Numa> numas;  // by number
  std::vector<Core> cores;  // by their first CPU
  std::vector<Gpu> gpus;    // by bus id
  std::vector<PciDevice> nics;
  std::vector<Link> links;
  std::string note;  // what its source could not say, in words; empty: nothing
  bool operator==(const Model&) const = default;

  Numbers cpus() const;
  Numbers cpus_of(uint32_t numa) const;
  const Numa* find_numa(uint32_t number) const;
  /// The place of the GPU with that bus id; none where there is none.
  std::optional<uint32_t> gpu_at(std::string_view bus) const;
  uint32_t link(uint32_t a, uint32_t b) const;  // MB/s

  /// How near two devices are: common bridges, then NUMA node, then package; 0: nothing in common.
  uint32_t nearness(const PciDevice& a, const PciDevice& b) const;
  /// Of each pair of GPUs, for choose_gpus: links before PCI.
  std::vector<uint32_t> gpu_nearness() const;
  /// Places in `nics` of those nearest to a GPU, by bus id; empty where there are none.
  std::vector<uint32_t> nics_near(uint32_t gpu) const;

  /// In order, whatever the source's.
  void sort();
  /// Without these CPUs: others may not be used by this process.
  void keep_cpus(const Numbers& usable);
};

Value to_value(const Model& model);
Result<Model> model_from(const Value& value);

}  // namespace troupe::topology
