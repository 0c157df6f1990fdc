// The arithmetic of reductions: several arrays become one, element by element, always from the
// first to the last, so that the same inputs give the same bits. Pure; any thread.
#pragma once

#include "gpu/comm/types.hpp"

#include <span>

namespace troupe::comm {

/// `to[i]` = inputs[0][i] op inputs[1][i] op ...; at least one input. No alignment is needed; `to`
/// may be one of the first 64 inputs, but not overlap one otherwise. The 16-bit floats are combined
/// as float32 and rounded once. With `avg`, the sum is divided by `divisor`; 1 leaves it the sum.
void reduce(DataType type, ReduceOp op, std::span<const void* const> inputs, void* to, size_t count,
            uint64_t divisor = 1);

}  // namespace troupe::comm
