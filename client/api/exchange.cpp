#include "client/api/exchange.hpp"

#include "client/api/error_body.hpp"
#include "client/api/schema_json.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::api {

HeaderIds::HeaderIds() : HeaderIds(kj::HttpHeaderTable::Builder{}) {}

HeaderIds::HeaderIds(kj::HttpHeaderTable::Builder builder)
    : authorization{builder.add("Authorization")},
      accept{builder.add("Accept")},
      origin{builder.add("Origin")},
      idempotency_key{builder.add("Idempotency-Key")},
      last_event_id{builder.add("Last-Event-ID")},
      range{builder.add("Range")},
      allow{builder.add("Allow")},
      cache_control{builder.add("Cache-Control")},
      content_range{builder.add("Content-Range")},
      nosniff{builder.add("X-Content-Type-Options")},
      policy{builder.add("Content-Security-Policy")},
      referrer{builder.add("Referrer-Policy")},
      authenticate{builder.add("WWW-Authenticate")},
      next_offset{builder.add("X-Troupe-Next-Offset")},
      log_end{builder.add("X-Troupe-Log-End")},
      accept_ranges{builder.add("Accept-Ranges")},
      buffering{builder.add("X-Accel-Buffering")} {
  table = builder.build();
}

Result<ExperimentId> Exchange::id(size_t capture) const {
  return parse_experiment_id(captures.at(capture));
}

std::string Exchange::text(std::string_view name) const {
  auto it = url.query.find(name);
  return it == url.query.end() ? std::string{} : it->second;
}

Result<uint64_t> Exchange::number(std::string_view name, uint64_t otherwise, uint64_t max) const {
  auto it = url.query.find(name);
  if (it == url.query.end()) return otherwise;
  const auto& digits = it->second;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || value > max)
    return Error{Errc::invalid, "the request could not be read",
                 fmt::format("{} is \"{}\"", name, digits.substr(0, 100)),
                 fmt::format("an integer from 0 to {}", max)};
  return value;
}

Result<bool> Exchange::flag(std::string_view name) const {
  auto it = url.query.find(name);
  if (it == url.query.end()) return false;
  const auto& value = it->second;
  if (value == "true" || value == "1" || value.empty()) return true;
  if (value == "false" || value == "0") return false;
  return Error{Errc::invalid, "the request could not be read",
               fmt::format("{} is \"{}\"", name, value.substr(0, 100)), "true or false"};
}

kj::HttpHeaders Exchange::headers(kj::StringPtr type) const {
  const auto& ids = shared_.ids;
  kj::HttpHeaders out{*ids.table};
  out.set(kj::HttpHeaderId::CONTENT_TYPE, type);
  out.set(ids.nosniff, "nosniff");
  out.set(ids.cache_control, "no-store");
  // Outputs of jobs come from this origin too: nothing in them may run in a browser.
  out.set(ids.policy, "default-src 'none'; frame-ancestors 'none'; sandbox");
  out.set(ids.referrer, "no-referrer");
  return out;
}

kj::Own<kj::AsyncOutputStream> Exchange::start(uint32_t status, const kj::HttpHeaders& headers,
                                               kj::Maybe<uint64_t> size) {
  started_ = true;
  return response_.send(status, status_of(status).text, headers, size);
}

kj::Promise<void> Exchange::write(kj::AsyncOutputStream& stream, std::string bytes) {
  if (bytes.empty()) return kj::READY_NOW;
  auto held = kj::heap<std::string>(std::move(bytes));
  auto done = stream.write(held->data(), held->size()).attach(kj::mv(held));
  return shared_.timer.timeoutAfter(shared_.options.write_timeout, kj::mv(done));
}

kj::Promise<void> Exchange::send_bytes(std::string bytes, kj::StringPtr type, uint32_t status) {
  auto stream = start(status, headers(type), uint64_t{bytes.size()});
  auto done = write(*stream, std::move(bytes));
  return done.attach(kj::mv(stream));
}

kj::Promise<void> Exchange::send_nothing() {
  start(204, headers("application/json"), uint64_t{0});
  return kj::READY_NOW;
}

kj::Promise<void> Exchange::send_json(capnp::DynamicStruct::Reader answer, uint32_t status) {
  std::string text;
  append_json(text, answer);
  text += '\n';
  return send_bytes(std::move(text), "application/json", status);
}

kj::Promise<void> Exchange::send_error(const Error& error) {
  return send_error(status_of(error).code, error);
}

kj::Promise<void> Exchange::send_error(uint32_t status, const Error& error,
                                       std::string_view allow) {
  auto text = error_body(error);
  auto out = headers("application/json");
  if (!allow.empty()) out.set(shared_.ids.allow, kj::heapString(allow.data(), allow.size()));
  if (status == 401) out.set(shared_.ids.authenticate, "Bearer");
  auto stream = start(status, out, uint64_t{text.size()});
  auto done = write(*stream, std::move(text));
  return done.attach(kj::mv(stream));
}

}  // namespace troupe::api
