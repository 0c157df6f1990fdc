#include "runtime/cluster/link_protocol.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace troupe::cluster {

namespace {

std::string text_of(const Value& map, std::string_view key) {
  const auto* found = map.find(key);
  return found != nullptr && found->is_string() ? found->as_string() : "";
}

int64_t number_of(const Value& map, std::string_view key) {
  const auto* found = map.find(key);
  return found != nullptr && found->is_int() ? found->as_int() : 0;
}

ValueMap map_of(const LinkHello& hello) {
  return {{"protocol", hello.protocol},
          {"version", hello.version},
          {"instance", hello.instance},
          {"time_us", hello.time_us},
          {"url", hello.url}};
}

LinkHello hello_of(const Value& map) {
  LinkHello hello;
  auto protocol = number_of(map, "protocol");
  hello.protocol = protocol > 0 && protocol <= UINT32_MAX ? static_cast<uint32_t>(protocol) : 0;
  // What strangers say is printed: not more of it than a line.
  hello.version = text_of(map, "version").substr(0, 64);
  hello.instance = text_of(map, "instance").substr(0, 64);
  hello.time_us = number_of(map, "time_us");
  hello.url = text_of(map, "url").substr(0, 256);
  return hello;
}

/// The text as a map; the error that stands in it, where one does.
Result<Value> read(std::string_view json) {
  JsonLimits limits;
  limits.bytes_max = greeting_bytes_max;
  limits.depth_max = 4;
  auto value = parse_json(json, limits);
  if (!value || !value->is_map())
    return Error{Errc::refused, "the other side does not speak as a node does",
                 value ? "its greeting is no JSON object" : value.error().detail,
                 "is this the cluster port of a head (default 7071)?"};
  if (const auto* error = value->find("error"); error != nullptr && error->is_map())
    return Error{errc_from_string(text_of(*error, "code")), text_of(*error, "message"),
                 text_of(*error, "detail"), text_of(*error, "hint")};
  return value;
}

}  // namespace

std::string to_json(const LinkHello& hello) {
  return json_text(Value{map_of(hello)});
}

Result<LinkHello> parse_link_hello(std::string_view json) {
  auto value = read(json);
  if (!value) return std::move(value).error();
  return hello_of(*value);
}

std::string to_json(const JoinRequest& request) {
  auto map = map_of(request.hello);
  map["name"] = request.name;
  map["token"] = request.token;
  map["key_request"] = request.key_request;
  return json_text(Value{std::move(map)});
}

Result<JoinRequest> parse_join_request(std::string_view json) {
  auto value = read(json);
  if (!value) return std::move(value).error();
  return JoinRequest{hello_of(*value), text_of(*value, "name"), text_of(*value, "token"),
                     text_of(*value, "key_request")};
}

std::string certificate_json(const std::string& certificate) {
  return json_text(Value{ValueMap{{"certificate", certificate}}});
}

Result<std::string> parse_certificate_answer(std::string_view json) {
  auto value = read(json);
  if (!value) return std::move(value).error();
  return text_of(*value, "certificate");
}

std::string error_json(const Error& error) {
  return json_text(Value{ValueMap{{"error", ValueMap{{"code", to_string(error.code)},
                                                     {"message", error.what},
                                                     {"detail", error.detail},
                                                     {"hint", error.hint}}}}});
}

Result<void> check_protocol(const LinkHello& worker, const std::string& worker_name,
                            const LinkHello& head) {
  if (worker.protocol == head.protocol) return ok();
  return Error{Errc::refused, fmt::format("worker {} may not join", worker_name),
               fmt::format("it runs troupe {} (protocol {}), the head troupe {} (protocol {})",
                           worker.version, worker.protocol, head.version, head.protocol),
               "install the same version of troupe on both"};
}

std::string skew_text(int64_t theirs_us, int64_t ours_us) {
  constexpr int64_t worth_telling_us = 60'000'000;
  auto difference = theirs_us - ours_us;
  // Absurd times may not overflow: anything beyond a century is told as one.
  constexpr int64_t century_us = int64_t{100} * 366 * 24 * 3600 * 1'000'000;
  if (theirs_us < 0 || theirs_us > ours_us + century_us) difference = century_us;
  if (std::abs(difference) <= worth_telling_us) return {};
  auto seconds = std::chrono::seconds{std::abs(difference) / 1'000'000};
  return fmt::format("{} {}", duration_text(std::chrono::duration_cast<Duration>(seconds)),
                     difference > 0 ? "ahead" : "behind");
}

}  // namespace troupe::cluster
