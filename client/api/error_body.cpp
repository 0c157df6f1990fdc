#include "client/api/error_body.hpp"

#include "client/api/json_text.hpp"

#include <algorithm>
#include <iterator>

namespace troupe::api {

HttpStatus status_of(uint32_t code) {
  static constexpr HttpStatus all[] = {{200, "OK"},
                                       {201, "Created"},
                                       {204, "No Content"},
                                       {206, "Partial Content"},
                                       {400, "Bad Request"},
                                       {401, "Unauthorized"},
                                       {403, "Forbidden"},
                                       {404, "Not Found"},
                                       {405, "Method Not Allowed"},
                                       {408, "Request Timeout"},
                                       {409, "Conflict"},
                                       {411, "Length Required"},
                                       {413, "Payload Too Large"},
                                       {414, "URI Too Long"},
                                       {416, "Range Not Satisfiable"},
                                       {421, "Misdirected Request"},
                                       {429, "Too Many Requests"},
                                       {500, "Internal Server Error"},
                                       {503, "Service Unavailable"},
                                       {504, "Gateway Timeout"},
                                       {507, "Insufficient Storage"}};
  const auto* found =
      std::find_if(std::begin(all), std::end(all), [&](const auto& s) { return s.code == code; });
  return found != std::end(all) ? *found : HttpStatus{code, "Error"};
}

HttpStatus status_of(const Error& error) {
  switch (error.code) {
    case Errc::invalid:
      return status_of(400);
    case Errc::unauthenticated:
      return status_of(401);
    case Errc::refused:
      return status_of(403);
    case Errc::not_found:
      return status_of(404);
    case Errc::conflict:
      return status_of(409);
    case Errc::exhausted:
      // Space on a disk does not come back by waiting a little: another status.
      return status_of(error.detail.find("disk") != std::string::npos ||
                               error.detail.find("No space left") != std::string::npos
                           ? 507
                           : 429);
    case Errc::unavailable:
      return status_of(503);
    case Errc::timed_out:
      return status_of(504);
    default:
      return status_of(500);
  }
}

std::string error_body(const Error& error) {
  std::string out = "{\"error\":{\"code\":";
  append_json_string(out, to_string(error.code));
  out += ",\"message\":";
  append_json_string(out, error.what);
  out += ",\"detail\":";
  append_json_string(out, error.detail);
  out += ",\"hint\":";
  append_json_string(out, error.hint);
  out += "}}\n";
  return out;
}

}  // namespace troupe::api
