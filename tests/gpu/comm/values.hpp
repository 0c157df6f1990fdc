// Arrays of any element type for tests of communicators: filled from a seed, read back as doubles,
// and what a reduction of them must give.
#pragma once

#include "gpu/comm/half.hpp"
#include "gpu/comm/types.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace troupe::comm {

constexpr DataType all_types[] = {DataType::float32,  DataType::float64, DataType::float16,
                                  DataType::bfloat16, DataType::int8,    DataType::uint8,
                                  DataType::int16,    DataType::uint16,  DataType::int32,
                                  DataType::uint32,   DataType::int64,   DataType::uint64};
constexpr ReduceOp all_ops[] = {ReduceOp::sum, ReduceOp::min, ReduceOp::max, ReduceOp::prod,
                                ReduceOp::avg};

/// Calls `with(T{})` with the C++ type that holds the elements' bits.
template <class With>
auto with_type(DataType type, With&& with) {
  switch (type) {
    case DataType::float32:
      return with(float{});
    case DataType::float64:
      return with(double{});
    case DataType::float16:
    case DataType::bfloat16:
    case DataType::uint16:
      return with(uint16_t{});
    case DataType::int8:
      return with(int8_t{});
    case DataType::uint8:
      return with(uint8_t{});
    case DataType::int16:
      return with(int16_t{});
    case DataType::int32:
      return with(int32_t{});
    case DataType::uint32:
      return with(uint32_t{});
    case DataType::int64:
      return with(int64_t{});
    case DataType::uint64:
      break;
  }
  return with(uint64_t{});
}

inline double read_element(DataType type, const void* data, size_t index) {
  return with_type(type, [&](auto zero) {
    std::memcpy(&zero, static_cast<const char*>(data) + index * sizeof zero, sizeof zero);
    if (type == DataType::float16) return double{float16_to_float(static_cast<uint16_t>(zero))};
    if (type == DataType::bfloat16) return double{bfloat16_to_float(static_cast<uint16_t>(zero))};
    return static_cast<double>(zero);
  });
}

inline void write_element(DataType type, void* data, size_t index, double value) {
  with_type(type, [&](auto zero) {
    if (type == DataType::float16)
      zero = static_cast<decltype(zero)>(float_to_float16(static_cast<float>(value)));
    else if (type == DataType::bfloat16)
      zero = static_cast<decltype(zero)>(float_to_bfloat16(static_cast<float>(value)));
    else
      zero = static_cast<decltype(zero)>(value);
    std::memcpy(static_cast<char*>(data) + index * sizeof zero, &zero, sizeof zero);
  });
}

/// An array that begins `shift` bytes behind an aligned place.
class Values {
 public:
  Values(DataType type, size_t count, size_t shift = 0)
      : type_{type}, count_{count}, shift_{shift}, bytes_(count * size_of(type) + shift + 1) {}
  /// Any floats around 1; of integers mostly ones, so that no product of some arrays overflows.
  void fill(uint64_t seed) {
    std::mt19937_64 random{seed * 7919 + 1};
    for (size_t i = 0; i < count_; ++i) {
      auto value = is_float(type_)
                       ? 0.5 + static_cast<double>(random() % 1000) / 1000.0
                       : static_cast<double>(1 + ((i + seed) % 16 < 3 ? (i + seed) % 16 : 0));
      write_element(type_, data(), i, value);
    }
  }
  void* data() { return bytes_.data() + shift_; }
  const void* data() const { return bytes_.data() + shift_; }
  void* at(size_t index) { return bytes_.data() + shift_ + index * size_of(type_); }
  size_t count() const { return count_; }
  double operator[](size_t index) const { return read_element(type_, data(), index); }

 private:
  DataType type_;
  size_t count_, shift_;
  std::vector<char> bytes_;
};

inline double reference(ReduceOp op, const std::vector<double>& inputs) {
  auto value = inputs.front();
  for (size_t i = 1; i < inputs.size(); ++i) {
    auto other = inputs[i];
    if (op == ReduceOp::sum || op == ReduceOp::avg) value += other;
    if (op == ReduceOp::prod) value *= other;
    if (op == ReduceOp::min) value = std::min(value, other);
    if (op == ReduceOp::max) value = std::max(value, other);
  }
  return op == ReduceOp::avg ? value / static_cast<double>(inputs.size()) : value;
}

/// How far a result of `inputs` numbers near `value` may be off; `roundings` of the type each.
inline double tolerance(DataType type, double value, size_t roundings) {
  double unit = 0;
  if (type == DataType::float32) unit = 0x1p-24;
  if (type == DataType::float64) unit = 0x1p-53;
  if (type == DataType::float16) unit = 0x1p-11;
  if (type == DataType::bfloat16) unit = 0x1p-8;
  return std::abs(value) * unit * static_cast<double>(roundings) * 1.01;
}

}  // namespace troupe::comm
