// What the machines of a gang were seen to do together just before it started: its placement
// receipt. Rates are bytes a second; 0 where nothing was measured.
#pragma once

#include "runtime/core/clock.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

/// One machine of the ring in which they were measured.
struct ReceiptNode {
  std::string node;
  std::string next;   // the one to which it sent
  uint64_t copy = 0;  // within its memory, by one thread
  uint64_t link = 0;  // sent to `next`
  std::string error;  // why it was not measured; empty: it was
  bool told = false;  // it has said one or the other
  bool operator==(const ReceiptNode&) const = default;
};

struct Receipt {
  Timestamp time;                  // when all had told; unset: not yet
  std::vector<ReceiptNode> nodes;  // in the order of the ring; empty: there is no receipt
  uint64_t all_reduce = 0;         // of 4 MiB, on the busiest link, by the slowest rank
  uint64_t latency_ns = 0;         // of an all_reduce of 1 KiB, likewise
  std::string of;                  // the experiment that it was measured for; empty: this one
  std::vector<std::string> notes;  // what is far below what was usual
  bool operator==(const Receipt&) const = default;

  bool measured() const { return all_reduce != 0; }
};

/// "1.1 GB/s", "350 MB/s".
std::string rate_text(uint64_t bytes_a_second);

}  // namespace troupe
