// Faults as long, and floods as large, as the tables of operations/failures.md promise to bear.
// They take minutes each, so they are for a night: TROUPE_LONG_FAULTS=1 fault_tests
// --gtest_filter=...
#pragma once

#include <cstdlib>

namespace troupe::cluster {

inline bool long_faults() {
  return std::getenv("TROUPE_LONG_FAULTS") != nullptr;
}

}  // namespace troupe::cluster

/// Up to half a minute always.
#define SKIP_UNLESS_SHORT(time)          \
  if ((time) > 30'000 && !long_faults()) \
  GTEST_SKIP() << "a fault of " << (time) / 1000 << " s: TROUPE_LONG_FAULTS=1"
