// Between the structs of troupe.capnp and JSON, by walking the schema. KJ's own JsonCodec is not
// used: it holds every number as a double, so 1 and 1.0 become the same and integers above 2^53
// change, writes 64-bit integers as strings, and reports errors as exceptions in its own words.
// No state but a cache of field names for each thread.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/value.hpp"

#include <capnp/dynamic.h>

#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

/// Where in a document something stands, for messages: "sweep.points[3]".
struct FieldPath {
  const FieldPath* above = nullptr;
  std::string_view name;  // empty: an item
  size_t index = 0;

  std::string text() const;
};

/// Reads a JSON object. Unknown fields, wrong kinds and numbers out of range are errors that name
/// the field and what was meant.
Result<void> read_json(std::string_view text, capnp::DynamicStruct::Builder out);
Result<void> read_value(const Value& value, capnp::DynamicStruct::Builder out,
                        const FieldPath& path = {});

void append_json(std::string& out, capnp::DynamicStruct::Reader in);
std::string to_json(capnp::DynamicStruct::Reader in);

/// One field of a struct as JSON names it.
struct JsonField {
  capnp::StructSchema::Field field;
  capnp::Type type;
  std::string name;
  std::string key;  // `"name":`, ready to be written
};
const std::vector<JsonField>& json_fields(capnp::StructSchema schema);

/// The four-part error for a field that cannot be used.
Error field_error(const FieldPath& path, std::string detail, std::string hint);

}  // namespace troupe::api
