#include "gpu/comm/reduce.hpp"

#include "gpu/comm/reduce_variants.hpp"

#include <algorithm>
#include <array>

namespace troupe::comm {

namespace {

using Kernel = void (*)(DataType, ReduceOp, const KernelArguments&);

Kernel best_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return reduce_avx2;
#endif
  return reduce_baseline;
}

}  // namespace

void reduce(DataType type, ReduceOp op, std::span<const void* const> inputs, void* to, size_t count,
            uint64_t divisor) {
  static const Kernel kernel = best_kernel();
  if (op != ReduceOp::avg) divisor = 1;
  auto first = std::min(inputs.size(), max_inputs);
  bool only = first == inputs.size();
  kernel(type, op, {inputs.data(), first, to, count, only ? divisor : 1});
  // What came out so far is the first input of the next round.
  for (size_t done = first; done < inputs.size();) {
    auto more = std::min(inputs.size() - done, max_inputs - 1);
    std::array<const void*, max_inputs> round{to};
    std::copy_n(inputs.begin() + static_cast<ptrdiff_t>(done), more, round.begin() + 1);
    done += more;
    kernel(type, op, {round.data(), more + 1, to, count, done == inputs.size() ? divisor : 1});
  }
}

}  // namespace troupe::comm
