// One HTTP request and its answer, as the routes see it. Made by the HTTP service after every check
// that is the same for all (lengths, host, token, body limit); lives until the answer is written.
// KJ thread.
#pragma once

#include "client/api/service.hpp"
#include "client/api/url.hpp"

#include <capnp/dynamic.h>
#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <kj/timer.h>

#include <string>
#include <string_view>

namespace troupe::api {

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                       // 0: a free one
  std::vector<std::string> allowed_hosts;  // names, beside localhost and literal addresses
  uint32_t connections_max = 4096;         // each costs some 10 kB and a descriptor
  kj::Duration header_timeout = 15 * kj::SECONDS;
  kj::Duration idle_timeout = 60 * kj::SECONDS;   // between requests of a connection
  kj::Duration body_timeout = 120 * kj::SECONDS;  // 64 MiB at 0.5 MiB/s
  kj::Duration write_timeout = 30 * kj::SECONDS;  // of one piece: slower readers are closed
  kj::Duration heartbeat = 15 * kj::SECONDS;      // comments in an event stream
  kj::Duration drain_timeout = 3 * kj::SECONDS;   // what runs longer at the end is cut
};

/// Ids of the headers that are read or written, in one table.
struct HeaderIds {
  HeaderIds();
  kj::Own<kj::HttpHeaderTable> table;
  kj::HttpHeaderId authorization, accept, origin, idempotency_key, last_event_id, range;
  kj::HttpHeaderId allow, cache_control, content_range, nosniff, policy, referrer, authenticate;
  kj::HttpHeaderId next_offset, log_end, accept_ranges, buffering;

 private:
  explicit HeaderIds(kj::HttpHeaderTable::Builder builder);
};

/// What all requests of a server share.
struct Shared {
  Service& service;
  const ServerOptions& options;
  const HeaderIds& ids;
  kj::Timer& timer;
  kj::ForkedPromise<void>& stopping;  // streams without end stop when it resolves
};

class Exchange {
 public:
  Exchange(Shared& shared, kj::HttpService::Response& response)
      : shared_{shared}, response_{response} {}

  // The request. The service fills these in.
  Url url;
  std::vector<std::string> captures;  // the {..} of the route, in order
  Caller caller;
  std::string body;
  std::string accept, idempotency_key, last_event_id, range;
  bool head = false;  // nobody reads the body of the answer: streams must end at once

  Service& service() { return shared_.service; }
  Shared& shared() { return shared_; }
  /// An id captured from the path. Bad ids are `invalid`.
  Result<ExperimentId> id(size_t capture = 0) const;
  /// An unsigned number of the query, `otherwise` where absent; above `max` is an error.
  Result<uint64_t> number(std::string_view name, uint64_t otherwise, uint64_t max) const;
  Result<bool> flag(std::string_view name) const;
  std::string text(std::string_view name) const;

  kj::Promise<void> send_error(const Error& error);
  kj::Promise<void> send_error(uint32_t status, const Error& error, std::string_view allow = {});
  kj::Promise<void> send_json(capnp::DynamicStruct::Reader answer, uint32_t status = 200);
  kj::Promise<void> send_bytes(std::string bytes, kj::StringPtr type, uint32_t status = 200);
  kj::Promise<void> send_nothing();

  /// Headers every answer carries.
  kj::HttpHeaders headers(kj::StringPtr type) const;
  /// For answers in pieces; `size` none: chunked.
  kj::Own<kj::AsyncOutputStream> start(uint32_t status, const kj::HttpHeaders& headers,
                                       kj::Maybe<uint64_t> size = nullptr);
  /// Writes one piece, closing a reader that takes too long.
  kj::Promise<void> write(kj::AsyncOutputStream& stream, std::string bytes);
  bool started() const { return started_; }

 private:
  Shared& shared_;
  kj::HttpService::Response& response_;
  bool started_ = false;
};

}  // namespace troupe::api
