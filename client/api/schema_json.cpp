#include "client/api/schema_json.hpp"

#include "client/api/json_text.hpp"
#include "client/api/schema_json_types.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/suggest.hpp"

#include <capnp/compat/json.capnp.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

namespace troupe::api {

namespace {

using capnp::schema::Type;

// The id of the annotation $Json.name, as in capnp/compat/json.capnp.
constexpr uint64_t json_name_annotation = 0xfa5b1fd61c2e7c3d;

std::string_view view(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

std::vector<JsonField> make_fields(capnp::StructSchema schema) {
  std::vector<JsonField> fields;
  for (auto field : schema.getFields()) {
    std::string name{view(field.getProto().getName())};
    for (auto annotation : field.getProto().getAnnotations())
      if (annotation.getId() == json_name_annotation) name = view(annotation.getValue().getText());
    fields.push_back({field, field.getType(), name, "\"" + name + "\":"});
  }
  return fields;
}

void append_list(std::string& out, capnp::DynamicList::Reader list);

void append_any(std::string& out, const capnp::DynamicValue::Reader& value) {
  switch (value.getType()) {
    case capnp::DynamicValue::BOOL:
      out += value.as<bool>() ? "true" : "false";
      return;
    case capnp::DynamicValue::INT:
      fmt::format_to(std::back_inserter(out), "{}", value.as<int64_t>());
      return;
    case capnp::DynamicValue::UINT:
      fmt::format_to(std::back_inserter(out), "{}", value.as<uint64_t>());
      return;
    case capnp::DynamicValue::FLOAT:
      append_json_number(out, value.as<double>());
      return;
    case capnp::DynamicValue::TEXT:
      append_json_string(out, view(value.as<capnp::Text>()));
      return;
    case capnp::DynamicValue::LIST:
      append_list(out, value.as<capnp::DynamicList>());
      return;
    case capnp::DynamicValue::STRUCT:
      append_json(out, value.as<capnp::DynamicStruct>());
      return;
    default:
      out += "null";
  }
}

void append_list(std::string& out, capnp::DynamicList::Reader list) {
  out += '[';
  for (uint32_t i = 0; i < list.size(); ++i) {
    if (i != 0) out += ',';
    append_any(out, list[i]);
  }
  out += ']';
}

void append_absent(std::string& out, const capnp::Type& type) {
  if (type.isList()) {
    out += "[]";
    return;
  }
  const auto* form = type.isStruct() ? json_form(type.asStruct().getProto().getId()) : nullptr;
  out += form != nullptr ? form->absent : "null";
}

bool is_pointer(const capnp::Type& type) {
  return type.isText() || type.isData() || type.isList() || type.isStruct();
}

struct IntegerBounds {
  int64_t min, max;
};

/// None where the type is no integer.
std::optional<IntegerBounds> integer_bounds(Type::Which which) {
  auto of = [](auto example) {
    using T = decltype(example);
    // JSON integers are read as int64; the upper half of uint64 has types of its own.
    return IntegerBounds{static_cast<int64_t>(std::numeric_limits<T>::min()),
                         sizeof(T) == 8 ? std::numeric_limits<int64_t>::max()
                                        : static_cast<int64_t>(std::numeric_limits<T>::max())};
  };
  switch (which) {
    case Type::INT8:
      return of(int8_t{});
    case Type::INT16:
      return of(int16_t{});
    case Type::INT32:
      return of(int32_t{});
    case Type::INT64:
      return of(int64_t{});
    case Type::UINT8:
      return of(uint8_t{});
    case Type::UINT16:
      return of(uint16_t{});
    case Type::UINT32:
      return of(uint32_t{});
    case Type::UINT64:
      return of(uint64_t{});
    default:
      return std::nullopt;
  }
}

Error kind_error(const FieldPath& path, std::string_view wanted, const Value& value) {
  return field_error(path, fmt::format("must be {}, but is {}", wanted, value.kind()),
                     "see docs/reference/http.md or GET /api/v1/openapi.json");
}

/// A value that lies in the message itself: into a field or a list item through `put`.
template <class Put>
Result<void> read_scalar(const capnp::Type& type, const Value& value, const FieldPath& path,
                         Put&& put) {
  if (auto bounds = integer_bounds(type.which())) {
    if (!value.is_int()) return kind_error(path, "an integer", value);
    auto number = value.as_int();
    if (number < bounds->min || number > bounds->max)
      return field_error(path, fmt::format("{} is out of range", number),
                         fmt::format("from {} to {}", bounds->min, bounds->max));
    put(capnp::DynamicValue::Reader(number));
    return ok();
  }
  switch (type.which()) {
    case Type::BOOL:
      if (!value.is_bool()) return kind_error(path, "true or false", value);
      put(capnp::DynamicValue::Reader(value.as_bool()));
      return ok();
    case Type::FLOAT32:
    case Type::FLOAT64:
      if (!value.is_number()) return kind_error(path, "a number", value);
      put(capnp::DynamicValue::Reader(value.as_number()));
      return ok();
    case Type::TEXT: {
      if (!value.is_string()) return kind_error(path, "a string", value);
      const auto& text = value.as_string();
      put(capnp::DynamicValue::Reader(capnp::Text::Reader(text.data(), text.size())));
      return ok();
    }
    default:
      return field_error(path, "cannot be given as JSON", "leave it out");
  }
}

Result<void> read_list(const Value& value, capnp::DynamicList::Builder list,
                       const FieldPath& path) {
  auto element = list.getSchema().getElementType();
  const auto& items = value.as_list();
  for (uint32_t i = 0; i < items.size(); ++i) {
    FieldPath item{&path, {}, i};
    if (element.isStruct()) {
      TROUPE_TRY(read_value(items[i], list[i].as<capnp::DynamicStruct>(), item));
    } else {
      TROUPE_TRY(read_scalar(element, items[i], item,
                             [&](const capnp::DynamicValue::Reader& v) { list.set(i, v); }));
    }
  }
  return ok();
}

Result<void> read_field(const Value& value, const JsonField& field,
                        capnp::DynamicStruct::Builder out, const FieldPath& path) {
  if (field.type.isStruct())
    return read_value(value, out.init(field.field).as<capnp::DynamicStruct>(), path);
  if (field.type.isList()) {
    if (!value.is_list()) return kind_error(path, "a list", value);
    auto size = static_cast<uint32_t>(value.as_list().size());
    return read_list(value, out.init(field.field, size).as<capnp::DynamicList>(), path);
  }
  return read_scalar(field.type, value, path,
                     [&](const capnp::DynamicValue::Reader& v) { out.set(field.field, v); });
}

}  // namespace

std::string FieldPath::text() const {
  auto before = above != nullptr ? above->text() : std::string{};
  if (above == nullptr) return std::string{name};
  if (name.empty()) return fmt::format("{}[{}]", before, index);
  return before.empty() ? std::string{name} : fmt::format("{}.{}", before, name);
}

Error field_error(const FieldPath& path, std::string detail, std::string hint) {
  auto where = path.text();
  return {Errc::invalid, "the request could not be read",
          where.empty() ? std::move(detail) : fmt::format("{}: {}", where, detail),
          std::move(hint)};
}

const std::vector<JsonField>& json_fields(capnp::StructSchema schema) {
  // Names come from annotations, which are slow to look up; a thread sees some fifty structs.
  thread_local std::unordered_map<uint64_t, std::vector<JsonField>> cache;
  auto id = schema.getProto().getId();
  auto it = cache.find(id);
  if (it == cache.end()) it = cache.emplace(id, make_fields(schema)).first;
  return it->second;
}

void append_json(std::string& out, capnp::DynamicStruct::Reader in) {
  auto schema = in.getSchema();
  if (const auto* form = json_form(schema.getProto().getId())) return form->write(out, in);
  char separator = '{';
  for (const auto& field : json_fields(schema)) {
    out += separator;
    separator = ',';
    out += field.key;
    if (is_pointer(field.type) && !in.has(field.field))
      append_absent(out, field.type);
    else
      append_any(out, in.get(field.field));
  }
  out += separator == '{' ? "{}" : "}";
}

std::string to_json(capnp::DynamicStruct::Reader in) {
  std::string out;
  append_json(out, in);
  return out;
}

Result<void> read_value(const Value& value, capnp::DynamicStruct::Builder out,
                        const FieldPath& path) {
  if (const auto* form = json_form(out.getSchema().getProto().getId())) {
    if (form->read == nullptr) return field_error(path, "cannot be given", "leave it out");
    return form->read(value, out, path);
  }
  if (!value.is_map()) return kind_error(path, "an object", value);
  const auto& fields = json_fields(out.getSchema());
  for (const auto& [name, item] : value.as_map()) {
    auto known = std::find_if(fields.begin(), fields.end(),
                              [&, &wanted = name](const auto& f) { return f.name == wanted; });
    if (known == fields.end()) {
      std::vector<std::string> names;
      for (const auto& field : fields) names.emplace_back(field.name);
      return field_error(path, fmt::format("unknown field \"{}\"", name.substr(0, 100)),
                         suggestion(name, names));
    }
    if (item.is_null()) continue;
    TROUPE_TRY(read_field(item, *known, out, FieldPath{&path, known->name, 0}));
  }
  return ok();
}

Result<void> read_json(std::string_view text, capnp::DynamicStruct::Builder out) {
  auto value = parse_json(text);
  if (!value) return std::move(value).error();
  return read_value(*value, out);
}

}  // namespace troupe::api
