#include "client/api/openapi.hpp"

#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "client/api/schema_json_types.hpp"
#include "client/api/troupe.capnp.h"
#include "runtime/core/json.hpp"

#include <algorithm>
#include <cctype>

namespace troupe::api {

namespace {

using capnp::schema::Type;

/// Collects every struct that is reached, each once.
class Schemas {
 public:
  Value of(capnp::Type type) {
    if (type.isList())
      return ValueMap{{"type", "array"}, {"items", of(type.asList().getElementType())}};
    if (type.isStruct()) return reference(type.asStruct());
    if (type.isText()) return ValueMap{{"type", ValueList{"string", "null"}}};
    if (type.isBool()) return ValueMap{{"type", "boolean"}};
    if (type.isFloat32() || type.isFloat64()) return ValueMap{{"type", "number"}};
    return ValueMap{{"type", "integer"}};
  }

  Value reference(capnp::StructSchema schema) {
    std::string name{schema.getShortDisplayName().cStr()};
    if (!all_.contains(name)) {
      all_.emplace(name, Value{});  // before going on: some contain themselves
      auto described = describe(schema);
      all_.insert_or_assign(name, std::move(described));
    }
    return ValueMap{{"$ref", "#/components/schemas/" + name}};
  }

  ValueMap take() { return std::move(all_); }

 private:
  Value describe(capnp::StructSchema schema) {
    if (const auto* form = json_form(schema.getProto().getId())) {
      // The alternatives of a union are named in its form; they must be there too.
      for (auto field : schema.getUnionFields())
        if (field.getType().isStruct()) reference(field.getType().asStruct());
      auto parsed = parse_json(form->openapi);
      return parsed ? std::move(*parsed) : Value{ValueMap{}};
    }
    ValueMap properties;
    for (const auto& field : json_fields(schema)) properties.emplace(field.name, of(field.type));
    return ValueMap{
        {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  }

  ValueMap all_;
};

ValueList parameters_of(const Route& route) {
  ValueList out;
  auto add = [&](std::string name, const char* where) {
    out.push_back(ValueMap{{"name", std::move(name)},
                           {"in", where},
                           {"required", std::string_view{where} == "path"},
                           {"schema", ValueMap{{"type", "string"}}}});
  };
  auto rest = route.pattern;
  while (rest.find('{') != std::string_view::npos) {
    rest.remove_prefix(rest.find('{') + 1);
    std::string name{rest.substr(0, rest.find('}'))};
    if (name.back() == '*') name.pop_back();
    add(std::move(name), "path");
  }
  for (auto name : route.query) add(std::string{name}, "query");
  if (route.method == kj::HttpMethod::POST && route.request) add("Idempotency-Key", "header");
  return out;
}

Value content(std::string_view type, Value schema) {
  return ValueMap{{std::string{type}, ValueMap{{"schema", std::move(schema)}}}};
}

Value operation_of(const Route& route, Schemas& schemas) {
  ValueMap answer{{"description", route.summary}};
  if (route.response)
    answer.emplace("content", content(route.type, schemas.reference(*route.response)));
  else if (!route.type.empty())
    answer.emplace("content", content(route.type, ValueMap{}));
  ValueMap error{{"description", "an error"},
                 {"content", content("application/json",
                                     schemas.reference(capnp::Schema::from<wire::ErrorBody>()))}};
  ValueMap out{{"summary", route.summary},
               {"responses", ValueMap{{"2XX", std::move(answer)}, {"default", std::move(error)}}}};
  if (auto parameters = parameters_of(route); !parameters.empty())
    out.emplace("parameters", std::move(parameters));
  if (route.request)
    out.emplace(
        "requestBody",
        ValueMap{{"content", content("application/json", schemas.reference(*route.request))}});
  else if (route.body_max != 0)
    out.emplace("requestBody",
                ValueMap{{"content", content("application/octet-stream", ValueMap{})}});
  if (route.open) out.emplace("security", ValueList{});
  return out;
}

}  // namespace

std::string openapi_text(const std::string& version) {
  Schemas schemas;
  ValueMap paths;
  Router router;
  for (const auto& route : router.routes()) {
    std::string path{route.pattern};
    if (auto star = path.find("*}"); star != std::string::npos) path.erase(star, 1);
    std::string method{kj::str(route.method).cStr()};
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    auto& operations = paths.try_emplace(path, ValueMap{}).first->second;
    auto map = operations.as_map();
    map.emplace(method, operation_of(route, schemas));
    operations = std::move(map);
  }
  ValueMap root{
      {"openapi", "3.1.0"},
      {"info", ValueMap{{"title", "Troupe"}, {"version", version}}},
      {"security", ValueList{ValueMap{{"token", ValueList{}}}}},
      {"paths", std::move(paths)},
      {"components",
       ValueMap{{"schemas", schemas.take()},
                {"securitySchemes",
                 ValueMap{{"token", ValueMap{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  return json_text(root) + "\n";
}

}  // namespace troupe::api
