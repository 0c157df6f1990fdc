// What communicators move and how they combine it: element types, reductions, and the description
// of a call by which ranks see that they all make the same one. Values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::comm {

/// Numbers are stable: they travel between ranks and stand in the C interface.
enum class DataType : uint8_t {
  float32 = 0,
  float64,
  float16,
  bfloat16,
  int8,
  uint8,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
};
constexpr size_t data_types = 12;

/// `min` and `max` of floats give NaN where any input is NaN; sums of integers wrap around; `avg`
/// is for floats alone.
enum class ReduceOp : uint8_t { sum = 0, min, max, prod, avg };
constexpr size_t reduce_ops = 5;

enum class Call : uint8_t {
  barrier = 0,
  all_reduce,
  broadcast,
  reduce_scatter,
  all_gather,
  all_to_all,
  send,
};

size_t size_of(DataType type);
bool is_float(DataType type);
std::string_view to_string(DataType type);
std::string_view to_string(ReduceOp op);
std::string_view to_string(Call call);
/// Reads what to_string printed.
std::optional<DataType> data_type_from_string(std::string_view text);

/// What a rank asks for. Two ranks of one call must have equal ones.
struct Signature {
  Call call = Call::barrier;
  DataType type = DataType::uint8;
  ReduceOp op = ReduceOp::sum;
  uint8_t reserved = 0;
  uint32_t root = 0;
  uint64_t count = 0;  // elements, as the caller gave them
  bool operator==(const Signature&) const = default;
};
static_assert(sizeof(Signature) == 16, "it is written to peers as it lies");

/// "all_reduce of 1024 float32 (sum)"
std::string to_string(const Signature& signature);

}  // namespace troupe::comm
