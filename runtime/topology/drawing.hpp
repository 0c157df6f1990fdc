// A machine as a picture: packages, NUMA nodes, cores, GPUs, network cards, and who has what of
// them. Pure.
#pragma once

#include "runtime/topology/model.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::topology {

/// Who has something. One letter on terminals stands for each.
struct Owner {
  std::string name;  // "42.7.worker.0"
  Numbers cpus;
  std::vector<uint32_t> gpus;  // places in Model::gpus
};

struct Picture {
  const Model& model;
  std::vector<Owner> owners;
  std::map<uint32_t, std::string> closed;  // GPUs by place that nobody gets, with the reason
};

/// For a terminal; lines end with "\n". Cores that somebody has show his letter for each hardware
/// thread, others a dot.
std::string drawing_text(const Picture& picture);
/// One document.
std::string drawing_svg(const Picture& picture);

/// "a" to "z", "A" to "Z", then "*" for all others.
char owner_letter(size_t owner);

}  // namespace troupe::topology
