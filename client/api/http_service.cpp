#include "client/api/http_service.hpp"

#include "client/api/json_text.hpp"
#include "client/api/read_body.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <algorithm>
#include <charconv>

namespace troupe::api {

namespace {

constexpr size_t url_bytes_max = 8192;
constexpr size_t drain_bytes_max = 1u << 20;  // of a body that nobody wants, to answer in order

std::string_view view(kj::StringPtr text) {
  return {text.begin(), text.size()};
}

std::string_view header(const kj::HttpHeaders& headers, kj::HttpHeaderId id) {
  KJ_IF_MAYBE (value, headers.get(id)) return view(*value);
  return {};
}

Error invalid(std::string what, std::string detail, std::string hint) {
  return {Errc::invalid, std::move(what), std::move(detail), std::move(hint)};
}

std::optional<Error> unknown_query(const Route& route, const Query& query) {
  for (const auto& [name, value] : query) {
    if (std::find(route.query.begin(), route.query.end(), name) != route.query.end()) continue;
    return invalid("the request could not be read",
                   fmt::format("unknown query parameter \"{}\"", name.substr(0, 100)),
                   route.query.empty() ? "this route takes none" : suggestion(name, route.query));
  }
  return std::nullopt;
}

/// None: no length, no body. Refuses what KJ 0.9.2 misreads (CVE-2026-32239, CVE-2026-32240) or
/// what two parsers could read differently.
Result<std::optional<uint64_t>> body_length(const kj::HttpHeaders& headers) {
  auto bad = [](std::string detail) {
    return invalid("the request's length is not clear", std::move(detail),
                   "send a Content-Length of plain digits and no Transfer-Encoding");
  };
  if (headers.get(kj::HttpHeaderId::TRANSFER_ENCODING) != nullptr)
    return bad("it has a Transfer-Encoding");
  if (headers.get(kj::HttpHeaderId::CONTENT_LENGTH) == nullptr) return std::optional<uint64_t>{};
  auto text = header(headers, kj::HttpHeaderId::CONTENT_LENGTH);
  // 15 digits are a petabyte: above any limit, and far from overflow.
  uint64_t length = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (text.empty() || text.size() > 15 || error != std::errc{} || end != text.data() + text.size())
    return bad("its Content-Length is no plain number");
  return std::optional<uint64_t>{length};
}

std::string_view bearer(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size()) return {};
  for (size_t i = 0; i < scheme.size(); ++i)
    if ((authorization[i] | 0x20) != (scheme[i] | 0x20)) return {};
  return authorization.substr(scheme.size());
}

}  // namespace

/// What is known of a request before its body is read, copied out of KJ's buffers.
struct HttpFront::Arrival {
  kj::HttpMethod method;
  std::string url, host, origin, token;
  Result<std::optional<uint64_t>> length;
  kj::AsyncInputStream& body;
};

kj::Promise<void> HttpFront::request(kj::HttpMethod method, kj::StringPtr url,
                                     const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                                     kj::HttpService::Response& response) {
  const auto& ids = shared_.ids;
  auto exchange = kj::heap<Exchange>(shared_, response);
  auto& x = *exchange;
  x.head = method == kj::HttpMethod::HEAD;
  x.accept = header(headers, ids.accept);
  x.idempotency_key = header(headers, ids.idempotency_key);
  x.last_event_id = header(headers, ids.last_event_id);
  x.range = header(headers, ids.range);
  Arrival arrival{method,
                  std::string{view(url).substr(0, url_bytes_max + 1)},
                  std::string{header(headers, kj::HttpHeaderId::HOST)},
                  std::string{header(headers, ids.origin)},
                  std::string{bearer(header(headers, ids.authorization))},
                  body_length(headers),
                  body};
  return kj::evalNow([&] { return take(std::move(arrival), x); })
      .catch_([this, &x](kj::Exception&& e) { return fail(x, e); })
      .attach(kj::mv(exchange));
}

kj::Promise<void> HttpFront::take(Arrival arrival, Exchange& x) {
  if (!arrival.length) return x.send_error(411, arrival.length.error());
  if (arrival.url.size() > url_bytes_max)
    return refuse(arrival, x, 414,
                  invalid("the address of the request is too long",
                          fmt::format("more than {} bytes", url_bytes_max), "send less"));
  if (!host_is_ours(arrival.host, shared_.options))
    return refuse(arrival, x, 421,
                  invalid("this server does not answer for that host",
                          fmt::format("Host is \"{}\"", arrival.host.substr(0, 100)),
                          "use its address, or add the name to the allowed hosts of the head"));
  bool reads = arrival.method == kj::HttpMethod::GET || arrival.method == kj::HttpMethod::HEAD;
  if (!reads && !arrival.origin.empty() && !origin_is_ours(arrival.origin, arrival.host))
    return refuse(arrival, x, 403,
                  Error{Errc::refused, "the request came from another site's page",
                        fmt::format("Origin is \"{}\"", arrival.origin.substr(0, 100)),
                        "send it from the same host, or without a browser"});
  auto url = parse_url(arrival.url);
  if (!url) return refuse(arrival, x, 400, url.error());
  auto match = router_.find(arrival.method, url->path);
  // Without a token nobody learns which routes there are.
  if (match.route == nullptr || !match.route->open) {
    auto caller = arrival.token.empty()
                      ? Result<Caller>{Error{Errc::unauthenticated, "no token was given",
                                             "every request needs one, also on this machine",
                                             "send Authorization: Bearer TOKEN (troupe login)"}}
                      : x.service().authenticate(arrival.token);
    if (!caller) return refuse(arrival, x, 401, caller.error());
    x.caller = std::move(*caller);
  }
  if (match.route == nullptr && !match.allow.empty())
    return refuse(arrival, x, 405,
                  invalid("the method does not fit the route",
                          fmt::format("this route takes {}", match.allow), "use one of these"),
                  match.allow);
  if (match.route == nullptr)
    return refuse(arrival, x, 404,
                  Error{Errc::not_found, "there is no such route", "nothing is served there",
                        "GET /api/v1/openapi.json lists all"});
  const auto& route = *match.route;
  x.url = std::move(*url);
  x.captures = std::move(match.captures);
  if (auto unknown = unknown_query(route, x.url.query)) return refuse(arrival, x, 400, *unknown);
  auto length = arrival.length->value_or(0);
  if (length > route.body_max)
    return refuse(arrival, x, route.body_max == 0 ? 400 : 413,
                  invalid("the body of the request is too large",
                          fmt::format("{} bytes, at most {} here", length, route.body_max),
                          route.body_max == 0 ? "send none" : "send less at a time"));
  if (length == 0) return run(route, x);
  return read_body(arrival.body, length, x.body, shared_).then([this, &route, &x](bool whole) {
    if (whole) return run(route, x);
    return x.send_error(
        408, Error{Errc::timed_out, "the body of the request did not arrive",
                   "it was shorter than its Content-Length, or too slow", "send it again"});
  });
}

kj::Promise<void> HttpFront::run(const Route& route, Exchange& x) {
  return route.handler(x);
}

kj::Promise<void> HttpFront::refuse(const Arrival& arrival, Exchange& x, uint32_t status,
                                    Error error, std::string_view allow) {
  auto length = arrival.length->value_or(0);
  if (length == 0 || length > drain_bytes_max) return x.send_error(status, error, allow);
  // A closed socket with unread bytes is reset, and the client would lose our answer.
  return read_body(arrival.body, length, x.body, shared_)
      .then([&x, status, error = std::move(error), allow = std::string{allow}](bool) {
        return x.send_error(status, error, allow);
      });
}

kj::Promise<void> HttpFront::fail(Exchange& x, const kj::Exception& exception) {
  if (exception.getType() == kj::Exception::Type::DISCONNECTED) return kj::cp(exception);
  if (exception.getType() == kj::Exception::Type::OVERLOADED && x.started())
    return KJ_EXCEPTION(DISCONNECTED, "the reader was too slow");
  log::error("api", "a request failed: {}", exception.getDescription().cStr());
  if (x.started()) return KJ_EXCEPTION(DISCONNECTED, "an answer could not be finished");
  return x.send_error(500, Error{Errc::bug, "the request could not be answered",
                                 "an assumption of ours was wrong; the head's log has the details",
                                 "please report it"});
}

kj::Promise<void> HttpFront::handleClientProtocolError(kj::HttpHeaders::ProtocolError error,
                                                       kj::HttpService::Response& response) {
  auto x = kj::heap<Exchange>(shared_, response);
  auto status = error.statusCode == 501 ? 405u : 400u;
  auto done = x->send_error(
      status, invalid("the request is not HTTP as it should be",
                      status == 405 ? "the method is not known" : "its head could not be read",
                      "see docs/reference/http.md"));
  return done.attach(kj::mv(x));
}

kj::Promise<void> HttpFront::handleApplicationError(
    kj::Exception exception, kj::Maybe<kj::HttpService::Response&> response) {
  if (exception.getType() == kj::Exception::Type::DISCONNECTED) return kj::READY_NOW;
  log::debug("api", "a connection failed: {}", exception.getDescription().cStr());
  KJ_IF_MAYBE (r, response) {
    auto x = kj::heap<Exchange>(shared_, *r);
    auto done = x->send_error(
        400, invalid("the request could not be read", "its length or its encoding is wrong",
                     "see docs/reference/http.md"));
    return done.attach(kj::mv(x));
  }
  return kj::READY_NOW;
}

kj::Promise<void> HttpFront::handleNoResponse(kj::HttpService::Response& response) {
  auto x = kj::heap<Exchange>(shared_, response);
  auto done = x->send_error(
      500, Error{Errc::bug, "the request got no answer", "a route forgot it", "please report it"});
  return done.attach(kj::mv(x));
}

}  // namespace troupe::api
