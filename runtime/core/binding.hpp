// How closely the processes of a job are kept to CPUs and memory of their node, by the names that
// people use. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

enum class Binding : uint8_t {
  off,    // they run wherever the kernel puts them
  cores,  // on whole cores that no other bound job has, near the job's GPUs
  numa,   // on all CPUs of the NUMA nodes that are nearest to them
};
std::string_view to_string(Binding binding);
std::optional<Binding> binding_from(std::string_view text);

/// What stands for whatever the node does by itself.
inline constexpr std::string_view any_binding = "auto";
/// "auto, off, ...": what may be asked for.
std::string binding_names();

}  // namespace troupe
