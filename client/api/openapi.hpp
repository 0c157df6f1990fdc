// The OpenAPI 3.1 description, made from the table of routes and the schema.
#pragma once

#include <string>

namespace troupe::api {

std::string openapi_text(const std::string& version);

}  // namespace troupe::api
