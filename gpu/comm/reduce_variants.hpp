// The same reduction compiled for several instruction sets; reduce.cpp takes the best that the
// machine has. Pure.
#pragma once

#include "gpu/comm/types.hpp"

namespace troupe::comm {

/// More inputs than this are reduced in several rounds.
constexpr size_t max_inputs = 64;

struct KernelArguments {
  const void* const* inputs;
  size_t number;  // of inputs, 1 to max_inputs
  void* to;
  size_t count;
  uint64_t divisor;
};

void reduce_baseline(DataType type, ReduceOp op, const KernelArguments& args);
/// Where the build is for x86-64: needs AVX2.
void reduce_avx2(DataType type, ReduceOp op, const KernelArguments& args);

}  // namespace troupe::comm
