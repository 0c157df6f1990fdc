// Value: a typed scalar, list or map, as it stands in a project file, a record and a job's
// parameters. An integer stays an integer on the whole way; maps keep their keys sorted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe {

class Value;
using ValueList = std::vector<Value>;
using ValueMap = std::map<std::string, Value, std::less<>>;

class Value {
 public:
  Value() = default;                   // null
  Value(std::nullptr_t) {}             // NOLINT: these are implicit so that literals read well
  Value(bool value) : data_{value} {}  // NOLINT
  Value(int value) : data_{int64_t{value}} {}       // NOLINT
  Value(unsigned value) : data_{int64_t{value}} {}  // NOLINT
  Value(int64_t value) : data_{value} {}            // NOLINT
  Value(uint64_t value);                 // NOLINT: becomes a double above the largest int64
  Value(double value) : data_{value} {}  // NOLINT
  Value(std::string value) : data_{std::move(value)} {}         // NOLINT
  Value(std::string_view value) : data_{std::string{value}} {}  // NOLINT
  Value(const char* value) : data_{std::string{value}} {}       // NOLINT
  Value(ValueList value) : data_{std::move(value)} {}           // NOLINT
  Value(ValueMap value) : data_{std::move(value)} {}            // NOLINT

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_double() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_list() const { return std::holds_alternative<ValueList>(data_); }
  bool is_map() const { return std::holds_alternative<ValueMap>(data_); }
  bool is_scalar() const { return !is_list() && !is_map(); }

  // Each of these must match the kind held.
  bool as_bool() const { return std::get<bool>(data_); }
  int64_t as_int() const { return std::get<int64_t>(data_); }
  const std::string& as_string() const { return std::get<std::string>(data_); }
  const ValueList& as_list() const { return std::get<ValueList>(data_); }
  ValueList& as_list() { return std::get<ValueList>(data_); }
  const ValueMap& as_map() const { return std::get<ValueMap>(data_); }
  ValueMap& as_map() { return std::get<ValueMap>(data_); }
  /// An integer or a double, as a double.
  double as_number() const;

  /// The member of a map, or null (also where this is no map).
  const Value* find(std::string_view key) const;

  /// "null", "bool", "int", "float", "string", "list", "map".
  std::string_view kind() const;

  /// As one value in a command or a variable: integers without a point, floats in the shortest form
  /// that reads back the same, strings as they are, true/false, null as empty, lists and maps as
  /// JSON.
  std::string to_text() const;

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, ValueList, ValueMap> data_;
};

/// The shortest decimal form that reads back as the same double, always with a point or an exponent
/// ("1.0", "1e-05"); "NaN", "Infinity", "-Infinity" for the others.
std::string shortest_text(double value);

}  // namespace troupe
