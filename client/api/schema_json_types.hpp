// The structs of troupe.capnp whose JSON is not an object of their fields: values, maps, sizes,
// commands and so on. Used by schema_json.cpp and openapi.cpp only.
#pragma once

#include "client/api/schema_json.hpp"

namespace troupe::api {

struct JsonForm {
  void (*write)(std::string& out, capnp::DynamicStruct::Reader in);
  /// Null: never read.
  Result<void> (*read)(const Value& value, capnp::DynamicStruct::Builder out,
                       const FieldPath& path);
  std::string_view absent;   // how a null pointer is written
  std::string_view openapi;  // JSON Schema
};

/// Null for the ordinary ones.
const JsonForm* json_form(uint64_t type_id);

}  // namespace troupe::api
