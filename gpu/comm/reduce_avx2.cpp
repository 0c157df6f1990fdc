#include "gpu/comm/reduce_kernels.hpp"

namespace troupe::comm {

void reduce_avx2(DataType type, ReduceOp op, const KernelArguments& args) {
  reduce_any(type, op, args);
}

}  // namespace troupe::comm
