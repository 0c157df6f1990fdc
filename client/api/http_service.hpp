// What every HTTP request passes before its route: lengths, host, origin, token, body limit. And
// what answers when KJ itself finds a request or one of our handlers at fault, so that clients
// never read its words. KJ thread.
#pragma once

#include "client/api/router.hpp"

#include <kj/compat/http.h>

#include <string>
#include <string_view>

namespace troupe::api {

// KJ's interfaces have no virtual destructor; kj::Own disposes of what was made, not of a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class HttpFront final : public kj::HttpService, public kj::HttpServerErrorHandler {
 public:
  explicit HttpFront(Shared& shared) : shared_{shared} {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            kj::HttpService::Response& response) override;

  kj::Promise<void> handleClientProtocolError(kj::HttpHeaders::ProtocolError error,
                                              kj::HttpService::Response& response) override;
  kj::Promise<void> handleApplicationError(kj::Exception exception,
                                           kj::Maybe<kj::HttpService::Response&> response) override;
  kj::Promise<void> handleNoResponse(kj::HttpService::Response& response) override;

 private:
  struct Arrival;

  kj::Promise<void> take(Arrival arrival, Exchange& x);
  kj::Promise<void> refuse(const Arrival& arrival, Exchange& x, uint32_t status, Error error,
                           std::string_view allow = {});
  kj::Promise<void> run(const Route& route, Exchange& x);
  kj::Promise<void> fail(Exchange& x, const kj::Exception& exception);

  Shared& shared_;
  Router router_;
};

#pragma GCC diagnostic pop
/// Whether a Host header names this server: a literal address (a name that was bound anew to our
/// address by an attacker's DNS is never one), localhost, or a configured name.
bool host_is_ours(std::string_view host, const ServerOptions& options);
/// Whether the page that sent the request came from the same host and port.
bool origin_is_ours(std::string_view origin, std::string_view host);

}  // namespace troupe::api
