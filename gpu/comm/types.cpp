#include "gpu/comm/types.hpp"

#include <fmt/format.h>

#include <array>

namespace troupe::comm {

namespace {

struct TypeFacts {
  std::string_view name;
  size_t bytes;
  bool floats;
};

constexpr std::array<TypeFacts, data_types> facts{{
    {"float32", 4, true},
    {"float64", 8, true},
    {"float16", 2, true},
    {"bfloat16", 2, true},
    {"int8", 1, false},
    {"uint8", 1, false},
    {"int16", 2, false},
    {"uint16", 2, false},
    {"int32", 4, false},
    {"uint32", 4, false},
    {"int64", 8, false},
    {"uint64", 8, false},
}};

// A peer's bytes may hold any number.
constexpr TypeFacts unknown{"an unknown type", 1, false};

const TypeFacts& facts_of(DataType type) {
  auto index = static_cast<size_t>(type);
  return index < facts.size() ? facts[index] : unknown;
}

}  // namespace

size_t size_of(DataType type) {
  return facts_of(type).bytes;
}

bool is_float(DataType type) {
  return facts_of(type).floats;
}

std::string_view to_string(DataType type) {
  return facts_of(type).name;
}

std::string_view to_string(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::min:
      return "min";
    case ReduceOp::max:
      return "max";
    case ReduceOp::prod:
      return "prod";
    case ReduceOp::avg:
      return "avg";
  }
  return "an unknown reduction";
}

std::string_view to_string(Call call) {
  switch (call) {
    case Call::barrier:
      return "barrier";
    case Call::all_reduce:
      return "all_reduce";
    case Call::broadcast:
      return "broadcast";
    case Call::reduce_scatter:
      return "reduce_scatter";
    case Call::all_gather:
      return "all_gather";
    case Call::all_to_all:
      return "all_to_all";
    case Call::send:
      return "message";  // whoever sends it, or receives it
  }
  return "an unknown call";
}

std::optional<DataType> data_type_from_string(std::string_view text) {
  for (size_t i = 0; i < facts.size(); ++i)
    if (facts[i].name == text) return static_cast<DataType>(i);
  return std::nullopt;
}

std::string to_string(const Signature& signature) {
  auto call = to_string(signature.call);
  switch (signature.call) {
    case Call::barrier:
      return std::string{call};
    case Call::all_reduce:
    case Call::reduce_scatter:
      return fmt::format("{} of {} {} ({})", call, signature.count, to_string(signature.type),
                         to_string(signature.op));
    case Call::broadcast:
      return fmt::format("{} of {} {} from rank {}", call, signature.count,
                         to_string(signature.type), signature.root);
    default:
      return fmt::format("{} of {} {}", call, signature.count, to_string(signature.type));
  }
}

}  // namespace troupe::comm
