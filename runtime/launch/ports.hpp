// The ports that are set aside for one job on its node: a block of neighbouring ones, each with its
// purpose. Pure; who sets them aside is runtime/process/port_book.
#pragma once

#include <cstdint>

namespace troupe::launch {

/// By its place in the block.
enum class Port : uint16_t {
  master,       // MASTER_PORT, of the first job
  coordinator,  // of JAX, of the first job
  store,        // where the runtime itself serves what ranks tell each other, of the first job
  ras,          // NCCL's question and answer, of each job's own node alone
  first_task,   // one for each process, for frameworks in which all of them listen
};

/// Below the range from which the kernel takes ports for outgoing connections (32768 and up).
inline constexpr uint16_t port_range_begin = 20000, port_range_end = 32000;

constexpr uint32_t ports_of(uint32_t processes) {
  return static_cast<uint32_t>(Port::first_task) + processes;
}
constexpr uint16_t port_at(uint16_t first, Port port, uint32_t process = 0) {
  return static_cast<uint16_t>(first + static_cast<uint32_t>(port) + process);
}

}  // namespace troupe::launch
