// Values and errors, which every other conversion uses.
#include "client/api/convert.hpp"

namespace troupe::api {

namespace {

constexpr int depth_max = 64;

Result<Value> value_at(wire::Value::Reader in, int depth);

Result<ValueMap> values_at(wire::Values::Reader in, int depth) {
  ValueMap map;
  for (auto entry : in.getEntries()) {
    auto value = value_at(entry.getValue(), depth + 1);
    if (!value) return std::move(value).error();
    auto name = from_text(entry.getName());
    if (!map.emplace(name, std::move(*value)).second)
      return Error{Errc::invalid, "the request could not be read",
                   "name \"" + name + "\" is given twice", "give it once"};
  }
  return map;
}

Result<Value> value_at(wire::Value::Reader in, int depth) {
  if (depth > depth_max)
    return Error{Errc::invalid, "the request could not be read", "values are nested too deep",
                 "at most 64 levels"};
  switch (in.which()) {
    case wire::Value::BOOLEAN:
      return Value{in.getBoolean()};
    case wire::Value::INTEGER:
      return Value{int64_t{in.getInteger()}};
    case wire::Value::FLOAT:
      return Value{in.getFloat()};
    case wire::Value::TEXT:
      return Value{from_text(in.getText())};
    case wire::Value::LIST: {
      ValueList list;
      for (auto item : in.getList()) {
        auto value = value_at(item, depth + 1);
        if (!value) return value;
        list.push_back(std::move(*value));
      }
      return Value{std::move(list)};
    }
    case wire::Value::MAP: {
      auto map = values_at(in.getMap(), depth);
      if (!map) return std::move(map).error();
      return Value{std::move(*map)};
    }
    default:
      return Value{};
  }
}

template <class Map>
void set_named(wire::Values::Builder out, const Map& values) {
  auto entries = out.initEntries(static_cast<uint32_t>(values.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : values) {
    entries[i].setName(to_text(name));
    set_value(entries[i].initValue(), value);
    ++i;
  }
}

}  // namespace

void set_values(wire::Values::Builder out, const ValueMap& values) {
  set_named(out, values);
}

void set_values(wire::Values::Builder out, const std::map<std::string, Value>& values) {
  set_named(out, values);
}

void set_value(wire::Value::Builder out, const Value& value) {
  if (value.is_bool()) {
    out.setBoolean(value.as_bool());
  } else if (value.is_int()) {
    out.setInteger(value.as_int());
  } else if (value.is_double()) {
    out.setFloat(value.as_number());
  } else if (value.is_string()) {
    set_text(value.as_string(), [&](auto text) { out.setText(text); });
  } else if (value.is_list()) {
    const auto& items = value.as_list();
    auto list = out.initList(static_cast<uint32_t>(items.size()));
    for (uint32_t i = 0; i < items.size(); ++i) set_value(list[i], items[i]);
  } else if (value.is_map()) {
    set_values(out.initMap(), value.as_map());
  } else {
    out.setNull();
  }
}

Result<Value> value_from(wire::Value::Reader in) {
  return value_at(in, 0);
}

Result<ValueMap> values_from(wire::Values::Reader in) {
  return values_at(in, 0);
}

void set_error(wire::Error::Builder out, const Error& error) {
  out.setCode(to_text(to_string(error.code)));
  set_text(error.what, [&](auto text) { out.setMessage(text); });
  set_text(error.detail, [&](auto text) { out.setDetail(text); });
  set_text(error.hint, [&](auto text) { out.setHint(text); });
}

}  // namespace troupe::api
