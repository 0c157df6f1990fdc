#include "gpu/topology/read_topology.hpp"

#include "gpu/topology/hwloc_model.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/topology/nccl_xml.hpp"
#include "runtime/topology/xml.hpp"

#include <fmt/format.h>

#include <sched.h>
#include <vector>

namespace troupe::topology {

namespace {

constexpr size_t file_bytes_max = 64u << 20;
constexpr size_t cpus_max = 65'536;

/// Those that this process may use; hwloc knows of cgroups, not of an affinity.
Numbers usable_cpus() {
  Numbers cpus;
  std::vector<cpu_set_t> sets(cpus_max / CPU_SETSIZE);
  auto bytes = sets.size() * sizeof(cpu_set_t);
  if (::sched_getaffinity(0, bytes, sets.data()) != 0) return cpus;
  for (uint32_t cpu = 0; cpu < cpus_max; ++cpu)
    if (CPU_ISSET_S(cpu, bytes, sets.data())) cpus.push_back(cpu);
  return cpus;
}

Error with_file(Error error, const std::string& path) {
  error.what = fmt::format("{}: {}", path, error.what);
  return error;
}

}  // namespace

Result<Model> read_this_machine() {
  auto model = model_of_this_machine();
  if (!model) return model;
  if (auto usable = usable_cpus(); !usable.empty()) model->keep_cpus(usable);
  return model;
}

Result<Model> read_topology_text(std::string_view text) {
  // Before hwloc sees it: what it cannot read it replaces by the machine it runs on.
  auto root = parse_xml(text);
  if (!root) return std::move(root).error();
  if (root->name != "topology") return model_from_nccl(*root);
  return model_from_hwloc(text);
}

Result<Model> read_topology_file(const std::string& path) {
  auto text = read_file(path, file_bytes_max);
  if (!text) return std::move(text).error();
  auto model = read_topology_text(*text);
  if (!model) return with_file(std::move(model).error(), path);
  return model;
}

}  // namespace troupe::topology
