// Errors as HTTP shows them: a status and the four-part body.
#pragma once

#include "runtime/core/error.hpp"

#include <cstdint>
#include <string>

namespace troupe::api {

struct HttpStatus {
  uint32_t code;
  const char* text;
};

HttpStatus status_of(const Error& error);
HttpStatus status_of(uint32_t code);
/// {"error":{"code","message","detail","hint"}} and a line end.
std::string error_body(const Error& error);

}  // namespace troupe::api
