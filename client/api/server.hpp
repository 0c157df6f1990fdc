// The server of the public API: one port for HTTP and Cap'n Proto RPC, told apart by the first byte
// of a connection. Owned by whoever runs the KJ thread; everything in it lives on that thread.
//
//   kj::AsyncIoContext io = kj::setupAsyncIo();
//   ApiServer server{service, *io.provider, options};
//   auto port = server.listen().wait(io.waitScope);       // Result<uint16_t>
//   auto serving = server.serve().eagerlyEvaluate(nullptr);
//   ...
//   server.drain().wait(io.waitScope);                     // then destroy it
#pragma once

#include "client/api/exchange.hpp"
#include "client/api/http_service.hpp"

#include <kj/async-io.h>

#include <memory>

namespace troupe::api {

class ApiServer final : private kj::TaskSet::ErrorHandler {
 public:
  /// All of these must outlive the server.
  ApiServer(Service& service, kj::AsyncIoProvider& io, ServerOptions options);
  ~ApiServer() noexcept(false);

  /// Binds; the answer is the port.
  kj::Promise<Result<uint16_t>> listen();
  /// Accepts until drained. After listen().
  kj::Promise<void> serve();
  /// Stops accepting, ends streams, lets requests in flight finish for drain_timeout, cuts the
  /// rest.
  kj::Promise<void> drain();

  uint32_t connections() const { return connections_; }
  const ServerOptions& options() const { return options_; }

 private:
  class Counted;

  kj::Promise<void> accept_loop();
  kj::Promise<void> handle(kj::Own<kj::AsyncIoStream> stream);
  void taskFailed(kj::Exception&& exception) override;

  ServerOptions options_;
  kj::AsyncIoProvider& io_;
  kj::Timer& timer_;
  kj::PromiseFulfillerPair<void> stop_;
  kj::ForkedPromise<void> stopping_;
  HeaderIds ids_;
  Shared shared_;
  HttpFront front_;
  kj::HttpServer http_;
  kj::Own<kj::ConnectionReceiver> receiver_;
  uint32_t connections_ = 0;
  kj::TaskSet tasks_;  // last: ended before what its connections use
};

}  // namespace troupe::api
