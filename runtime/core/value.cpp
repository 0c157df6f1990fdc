#include "runtime/core/value.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace troupe {

Value::Value(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    data_ = static_cast<int64_t>(value);
  else
    data_ = static_cast<double>(value);
}

double Value::as_number() const {
  return is_int() ? static_cast<double>(std::get<int64_t>(data_)) : std::get<double>(data_);
}

const Value* Value::find(std::string_view key) const {
  const auto* map = std::get_if<ValueMap>(&data_);
  if (map == nullptr) return nullptr;
  auto it = map->find(key);
  return it == map->end() ? nullptr : &it->second;
}

std::string_view Value::kind() const {
  constexpr std::string_view kinds[] = {"null", "bool", "int", "float", "string", "list", "map"};
  return kinds[data_.index()];
}

std::string Value::to_text() const {
  if (is_null()) return "";
  if (is_bool()) return as_bool() ? "true" : "false";
  if (is_int()) return fmt::to_string(as_int());
  if (is_double()) return shortest_text(std::get<double>(data_));
  if (is_string()) return as_string();
  return json_text(*this);
}

std::string shortest_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  auto text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace troupe
