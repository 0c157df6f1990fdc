// The loops of reduce.hpp. Included by one .cpp file for each instruction set, which the build
// compiles with its options; hence all is in an unnamed namespace and nothing of the standard
// library is instantiated here: a linker could take a copy that the machine cannot run.
#pragma once

#include "gpu/comm/half.hpp"
#include "gpu/comm/reduce_variants.hpp"

#include <type_traits>

namespace troupe::comm {
namespace {

// So many elements at a time stay in the first-level cache while the inputs are gone through.
constexpr size_t block_elements = 1024;

/// Elements that may lie anywhere, in memory that others call something else.
template <class T>
struct Loose {
  typedef T type __attribute__((aligned(1), may_alias));
};

// Integers are combined as unsigned ones: theirs may overflow.
template <class T>
struct Arithmetic {
  using type = T;
};
template <>
struct Arithmetic<int8_t> {
  using type = uint32_t;
};
template <>
struct Arithmetic<uint8_t> {
  using type = uint32_t;
};
template <>
struct Arithmetic<int16_t> {
  using type = uint32_t;
};
template <>
struct Arithmetic<uint16_t> {
  using type = uint32_t;
};
template <>
struct Arithmetic<int32_t> {
  using type = uint32_t;
};
template <>
struct Arithmetic<int64_t> {
  using type = uint64_t;
};

struct Sum {
  template <class T>
  static T of(T a, T b) {
    using Wide = typename Arithmetic<T>::type;
    return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
  }
};
struct Product {
  template <class T>
  static T of(T a, T b) {
    using Wide = typename Arithmetic<T>::type;
    return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b));
  }
};
// A NaN differs from itself.
struct Minimum {
  template <class T>
  static T of(T a, T b) {
    return (a < b) | (a != a) ? a : b;
  }
};
struct Maximum {
  template <class T>
  static T of(T a, T b) {
    return (a > b) | (a != a) ? a : b;
  }
};

/// Elements that are combined as they are. `ivdep`: output and input are the same array or apart.
template <class Op, class T>
void fold(const void* const* inputs, size_t number, void* to, size_t begin, size_t count) {
  using L = typename Loose<T>::type;
  auto* out = static_cast<L*>(to) + begin;
  auto in = [&](size_t i) { return static_cast<const L*>(inputs[i]) + begin; };
  const auto* a = in(0);
  size_t next = 1;
  while (next < number) {
    const auto* b = in(next);
    if (number - next == 1) {
#pragma GCC ivdep
      for (size_t i = 0; i < count; ++i) out[i] = Op::template of<T>(a[i], b[i]);
      next += 1;
    } else if (number - next == 2) {
      const auto* c = in(next + 1);
#pragma GCC ivdep
      for (size_t i = 0; i < count; ++i)
        out[i] = Op::template of<T>(Op::template of<T>(a[i], b[i]), c[i]);
      next += 2;
    } else {
      const auto *c = in(next + 1), *d = in(next + 2);
#pragma GCC ivdep
      for (size_t i = 0; i < count; ++i)
        out[i] = Op::template of<T>(Op::template of<T>(Op::template of<T>(a[i], b[i]), c[i]), d[i]);
      next += 3;
    }
    a = out;
  }
  if (number == 1 && to != inputs[0]) __builtin_memcpy(out, a, count * sizeof(T));
}

template <class Op, class T>
void reduce_same(const KernelArguments& args) {
  // An output that is a later input would be overwritten before that input's turn.
  bool later = false;
  for (size_t i = 4; i < args.number; ++i) later = later || args.inputs[i] == args.to;
  for (size_t begin = 0; begin < args.count; begin += block_elements) {
    auto count = args.count - begin < block_elements ? args.count - begin : block_elements;
    if (later) {
      T block[block_elements];
      const void* shifted[max_inputs];
      for (size_t i = 0; i < args.number; ++i)
        shifted[i] = static_cast<const char*>(args.inputs[i]) + begin * sizeof(T);
      fold<Op, T>(shifted, args.number, block, 0, count);
      __builtin_memcpy(static_cast<char*>(args.to) + begin * sizeof(T), block, count * sizeof(T));
    } else {
      fold<Op, T>(args.inputs, args.number, args.to, begin, count);
    }
    if constexpr (std::is_floating_point_v<T>) {
      if (args.divisor != 1) {
        auto* out = static_cast<typename Loose<T>::type*>(args.to) + begin;
        auto divisor = static_cast<T>(args.divisor);
        for (size_t i = 0; i < count; ++i) out[i] = out[i] / divisor;
      }
    }
  }
}

struct Half {
  static float widen(uint16_t bits) { return float16_to_float(bits); }
  static uint16_t narrow(float value) { return float_to_float16(value); }
};
struct Brain {
  static float widen(uint16_t bits) { return bfloat16_to_float(bits); }
  static uint16_t narrow(float value) { return float_to_bfloat16(value); }
};

template <class Op, class Format>
void reduce_wide(const KernelArguments& args) {
  using L = typename Loose<uint16_t>::type;
  float sums[block_elements];
  for (size_t begin = 0; begin < args.count; begin += block_elements) {
    auto count = args.count - begin < block_elements ? args.count - begin : block_elements;
    const auto* first = static_cast<const L*>(args.inputs[0]) + begin;
    for (size_t i = 0; i < count; ++i) sums[i] = Format::widen(first[i]);
    for (size_t input = 1; input < args.number; ++input) {
      const auto* other = static_cast<const L*>(args.inputs[input]) + begin;
      for (size_t i = 0; i < count; ++i)
        sums[i] = Op::template of<float>(sums[i], Format::widen(other[i]));
    }
    if (args.divisor != 1) {
      auto divisor = static_cast<float>(args.divisor);
      for (size_t i = 0; i < count; ++i) sums[i] = sums[i] / divisor;
    }
    auto* out = static_cast<L*>(args.to) + begin;
    for (size_t i = 0; i < count; ++i) out[i] = Format::narrow(sums[i]);
  }
}

template <class Op>
void reduce_by(DataType type, const KernelArguments& args) {
  switch (type) {
    case DataType::float32:
      return reduce_same<Op, float>(args);
    case DataType::float64:
      return reduce_same<Op, double>(args);
    case DataType::float16:
      return reduce_wide<Op, Half>(args);
    case DataType::bfloat16:
      return reduce_wide<Op, Brain>(args);
    case DataType::int8:
      return reduce_same<Op, int8_t>(args);
    case DataType::uint8:
      return reduce_same<Op, uint8_t>(args);
    case DataType::int16:
      return reduce_same<Op, int16_t>(args);
    case DataType::uint16:
      return reduce_same<Op, uint16_t>(args);
    case DataType::int32:
      return reduce_same<Op, int32_t>(args);
    case DataType::uint32:
      return reduce_same<Op, uint32_t>(args);
    case DataType::int64:
      return reduce_same<Op, int64_t>(args);
    case DataType::uint64:
      return reduce_same<Op, uint64_t>(args);
  }
}

void reduce_any(DataType type, ReduceOp op, const KernelArguments& args) {
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::avg:
      return reduce_by<Sum>(type, args);
    case ReduceOp::min:
      return reduce_by<Minimum>(type, args);
    case ReduceOp::max:
      return reduce_by<Maximum>(type, args);
    case ReduceOp::prod:
      return reduce_by<Product>(type, args);
  }
}

}  // namespace
}  // namespace troupe::comm
