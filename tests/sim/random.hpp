// All chance of a simulation comes from here. The numbers are our own, not the library's
// distributions: a seed means the same wherever it is run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace troupe::sim {

using Nanos = std::chrono::nanoseconds;

class Random {
 public:
  explicit Random(uint64_t seed) : state_{seed} {}

  uint64_t next() {  // splitmix64
    auto z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 .. count - 1. The bias of the remainder is far below what matters here.
  uint64_t below(uint64_t count) { return count < 2 ? 0 : next() % count; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  Nanos between(Nanos low, Nanos high) {
    return low + Nanos{static_cast<int64_t>(
                     below(static_cast<uint64_t>(std::max<int64_t>(1, (high - low).count()))))};
  }
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  /// A stream of its own, so that one part of the simulation can ask more without changing others.
  Random fork() { return Random{next()}; }

 private:
  uint64_t state_;
};

}  // namespace troupe::sim
