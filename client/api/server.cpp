#include "client/api/server.hpp"

#include "client/api/error_body.hpp"
#include "client/api/gathered_stream.hpp"
#include "client/api/prefixed_stream.hpp"
#include "client/api/rpc_session.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace troupe::api {

namespace {

kj::HttpServerSettings settings(const ServerOptions& options, HttpFront& front) {
  kj::HttpServerSettings out;
  out.headerTimeout = options.header_timeout;
  out.pipelineTimeout = options.idle_timeout;
  // With these two a refused request also ends its connection: no hidden second one runs.
  out.canceledUploadGracePeriod = 0 * kj::SECONDS;
  out.canceledUploadGraceBytes = 0;
  out.errorHandler = static_cast<kj::HttpServerErrorHandler&>(front);
  return out;
}

bool is_method_letter(kj::byte c) {
  return c >= 'A' && c <= 'Z';
}

std::string too_many_connections() {
  auto body = error_body(Error{Errc::unavailable, "too many connections",
                               "the server has as many as it takes", "try again in a moment"});
  return fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      body.size(), body);
}

}  // namespace

/// Counts a connection as long as it lives.
class ApiServer::Counted {
 public:
  explicit Counted(uint32_t& count) : count_{count} { ++count_; }
  ~Counted() { --count_; }
  KJ_DISALLOW_COPY(Counted);

 private:
  uint32_t& count_;
};

ApiServer::ApiServer(Service& service, kj::AsyncIoProvider& io, ServerOptions options)
    : options_{std::move(options)},
      io_{io},
      timer_{io.getTimer()},
      stop_{kj::newPromiseAndFulfiller<void>()},
      stopping_{stop_.promise.fork()},
      shared_{service, options_, ids_, timer_, stopping_},
      front_{shared_},
      http_{timer_, *ids_.table, static_cast<kj::HttpService&>(front_), settings(options_, front_)},
      tasks_{*this} {}

ApiServer::~ApiServer() noexcept(false) = default;

kj::Promise<Result<uint16_t>> ApiServer::listen() {
  auto where = fmt::format("{}:{}", options_.address, options_.port);
  return io_.getNetwork()
      .parseAddress(kj::StringPtr(options_.address.c_str(), options_.address.size()), options_.port)
      .then([this](kj::Own<kj::NetworkAddress>&& address) -> Result<uint16_t> {
        receiver_ = address->listen();
        return static_cast<uint16_t>(receiver_->getPort());
      })
      .catch_([where](kj::Exception&& e) -> Result<uint16_t> {
        std::string text{e.getDescription().cStr()};
        bool used = text.find("in use") != std::string::npos;
        return Error{used ? Errc::conflict : Errc::io, "cannot listen on " + where, text,
                     "choose another address or --port 0 for a free port"};
      });
}

kj::Promise<void> ApiServer::serve() {
  KJ_REQUIRE(receiver_.get() != nullptr, "listen() comes first");
  return accept_loop().exclusiveJoin(stopping_.addBranch()).then([this] { receiver_ = nullptr; });
}

kj::Promise<void> ApiServer::accept_loop() {
  return receiver_->accept()
      .then(
          [this](kj::Own<kj::AsyncIoStream>&& stream) -> kj::Promise<void> {
            tasks_.add(handle(kj::mv(stream)));
            return kj::READY_NOW;
          },
          [this](kj::Exception&& e) -> kj::Promise<void> {
            // Out of descriptors, or the peer is gone already: neither ends the server.
            log::warning("api", "accept failed: {}", e.getDescription().cStr());
            return timer_.afterDelay(50 * kj::MILLISECONDS);
          })
      .then([this] { return accept_loop(); });
}

kj::Promise<void> ApiServer::handle(kj::Own<kj::AsyncIoStream> stream) {
  auto counted = kj::heap<Counted>(connections_);
  if (connections_ > options_.connections_max) {
    auto text = kj::heap<std::string>(too_many_connections());
    auto done = stream->write(text->data(), text->size());
    return timer_.timeoutAfter(1 * kj::SECONDS, kj::mv(done))
        .attach(kj::mv(text), kj::mv(stream), kj::mv(counted));
  }
  int on = 1;
  stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto first = kj::heapArray<kj::byte>(1);
  auto& peeked = *stream;
  auto read = peeked.tryRead(first.begin(), 1, 1);
  return timer_.timeoutAfter(options_.header_timeout, kj::mv(read))
      .then([this, stream = kj::mv(stream),
             first = kj::mv(first)](size_t got) mutable -> kj::Promise<void> {
        if (got == 0) return kj::READY_NOW;
        auto c = first[0];
        auto whole = kj::heap<PrefixedStream>(c, kj::mv(stream));
        if (is_method_letter(c))
          return http_.listenHttp(
              kj::heap<GatheredStream>(kj::mv(whole), GatheredStream::Ahead::one));
        // An RPC message begins with its number of segments: below 256 for any honest one.
        if (c == 0)
          return serve_rpc(shared_,
                           kj::heap<GatheredStream>(kj::mv(whole), GatheredStream::Ahead::many));
        return kj::READY_NOW;
      })
      .attach(kj::mv(counted));
}

kj::Promise<void> ApiServer::drain() {
  stop_.fulfiller->fulfill();
  auto late = timer_.afterDelay(options_.drain_timeout);
  return http_.drain().exclusiveJoin(kj::mv(late));
}

void ApiServer::taskFailed(kj::Exception&& exception) {
  // What peers do to their connections is their business.
  log::debug("api", "a connection ended: {}", exception.getDescription().cStr());
}

}  // namespace troupe::api
