// The KJ side of HttpClient: the event loop, the connections and the translation of KJ's
// exceptions. Private to http_client.cpp and http_loop.cpp.
#pragma once

#include "client/cpp/http_client.hpp"

#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <kj/debug.h>

#include <optional>

namespace troupe::client {

struct HttpClient::Loop {
  Loop(Address where, std::string from, std::string secret);

  /// The whole answer of one request. `request` must live until then.
  kj::Promise<HttpResponse> whole(const HttpRequest& request, uint64_t bytes_max);
  /// Hands over the body of one answer piece by piece.
  kj::Promise<void> chunks(const HttpRequest& request, std::shared_ptr<StreamHandler> handler);

  template <class T, class Start>
  Result<T> wait(const HttpRequest& request, Start&& start) {
    if (interrupted) return Error{Errc::unavailable, "interrupted", "", ""};
    std::optional<Error> failure;
    std::optional<T> value;
    auto failed = kj::runCatchingExceptions([&] {
      auto limit = request.timeout.count() * kj::MILLISECONDS;
      value = io.provider->getTimer()
                  .timeoutAfter(limit, start())
                  .exclusiveJoin(on_interrupt().then(
                      []() -> kj::Promise<T> { return KJ_EXCEPTION(FAILED, "interrupted"); }))
                  .wait(io.waitScope);
    });
    KJ_IF_MAYBE (exception, failed) {
      failure = error_from(*exception);
      return *failure;
    }
    answered_before = true;
    return std::move(*value);
  }

  void wake();
  void pump(Duration timeout);
  void interrupt_on(int fd);
  /// Resolves at the interrupt; never, where none is watched.
  kj::Promise<void> on_interrupt();
  Error error_from(const kj::Exception& exception);

  Address address;
  std::string url;
  std::string token;
  kj::AsyncIoContext io;
  kj::HttpHeaderTable::Builder builder;
  kj::HttpHeaderId authorization, accept, content_type;
  kj::Own<kj::HttpHeaderTable> headers;
  kj::Own<kj::NetworkAddress> peer;
  kj::Own<kj::HttpClient> http;
  kj::Own<kj::AsyncInputStream> interrupt_input;
  kj::Maybe<kj::ForkedPromise<void>> interrupt;
  kj::Own<kj::PromiseFulfiller<void>> waker;
  bool woken = false;
  bool interrupted = false;
  bool answered_before = false;
  std::optional<Error> answer_error;  // of a stream, on its way to error_from
  char interrupt_byte = 0;

 private:
  kj::Promise<void> connect();
  kj::HttpHeaders headers_of(const HttpRequest& request);
  kj::HttpClient::Request start(const HttpRequest& request, kj::HttpHeaders& fields);
  kj::Promise<void> pieces(kj::AsyncInputStream& body, std::shared_ptr<StreamHandler> handler,
                           kj::ArrayPtr<char> buffer);
};

}  // namespace troupe::client
