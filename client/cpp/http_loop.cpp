#include "client/cpp/http_loop.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <cctype>

namespace troupe::client {

namespace {

kj::HttpMethod method_of(const std::string& name) {
  if (name == "POST") return kj::HttpMethod::POST;
  if (name == "PUT") return kj::HttpMethod::PUT;
  if (name == "DELETE") return kj::HttpMethod::DELETE;
  if (name == "HEAD") return kj::HttpMethod::HEAD;
  return kj::HttpMethod::GET;
}

kj::StringPtr ptr(const std::string& text) {
  return {text.c_str(), text.size()};
}

/// KJ's own text begins with the expression that failed: "connect(): Connection refused".
std::string cause_of(const kj::Exception& exception) {
  std::string text{exception.getDescription().cStr()};
  if (auto at = text.find("(): "); at != std::string::npos && at < 40) text = text.substr(at + 4);
  if (auto at = text.find("; "); at != std::string::npos) text.resize(at);
  return text;
}

}  // namespace

HttpClient::Loop::Loop(Address where, std::string from, std::string secret)
    : address{std::move(where)},
      url{std::move(from)},
      token{std::move(secret)},
      io{kj::setupAsyncIo()},
      authorization{builder.add("Authorization")},
      accept{builder.add("Accept")},
      content_type{kj::HttpHeaderId::CONTENT_TYPE},
      headers{builder.build()} {}

kj::Promise<void> HttpClient::Loop::connect() {
  if (http.get() != nullptr) return kj::READY_NOW;
  return io.provider->getNetwork()
      .parseAddress(ptr(address.host), address.port)
      .then([this](kj::Own<kj::NetworkAddress> found) {
        if (http.get() != nullptr) return;
        peer = kj::mv(found);
        http = kj::newHttpClient(io.provider->getTimer(), *headers, *peer);
      });
}

kj::HttpHeaders HttpClient::Loop::headers_of(const HttpRequest& request) {
  kj::HttpHeaders fields{*headers};
  fields.set(kj::HttpHeaderId::HOST, kj::str(address.host_header().c_str()));
  if (!token.empty()) fields.set(authorization, kj::str("Bearer ", token.c_str()));
  if (!request.content_type.empty())
    fields.set(content_type, kj::str(request.content_type.c_str()));
  for (const auto& [name, value] : request.headers)
    fields.add(kj::str(name.c_str()), kj::str(value.c_str()));
  return fields;
}

kj::HttpClient::Request HttpClient::Loop::start(const HttpRequest& request,
                                                kj::HttpHeaders& fields) {
  auto method = method_of(request.method);
  kj::Maybe<uint64_t> size;
  if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD) size = request.body.size();
  auto path = address.base + request.path;
  return http->request(method, ptr(path), fields, size);
}

kj::Promise<HttpResponse> HttpClient::Loop::whole(const HttpRequest& request, uint64_t bytes_max) {
  return connect().then([this, &request, bytes_max]() -> kj::Promise<HttpResponse> {
    auto fields = headers_of(request);
    auto sent = start(request, fields);
    kj::Promise<void> written = kj::READY_NOW;
    if (!request.body.empty())
      written = sent.body->write(request.body.data(), request.body.size())
                    .attach(kj::mv(sent.body))
                    .catch_([](kj::Exception&&) {})  // the answer says why it was refused
                    .eagerlyEvaluate(nullptr);       // the end of the write frees the connection
    auto content = content_type;
    return sent.response
        .then([bytes_max, content](kj::HttpClient::Response&& response) {
          HttpResponse answer;
          answer.status = response.statusCode;
          KJ_IF_MAYBE (type, response.headers->get(content)) {
            answer.content_type = type->cStr();
          }
          response.headers->forEach([&](kj::StringPtr name, kj::StringPtr value) {
            std::string lower{name.cStr()};
            for (auto& c : lower)
              c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            answer.headers.emplace_back(std::move(lower), value.cStr());
          });
          auto read = response.body->readAllBytes(bytes_max);
          return read.attach(kj::mv(response.body))
              .then([answer = std::move(answer)](kj::Array<kj::byte> bytes) mutable {
                answer.body.assign(bytes.asChars().begin(), bytes.size());
                return std::move(answer);
              });
        })
        .attach(kj::mv(written));
  });
}

kj::Promise<void> HttpClient::Loop::chunks(const HttpRequest& request,
                                           std::shared_ptr<StreamHandler> handler) {
  auto& timer = io.provider->getTimer();
  return connect().then([this, &request, &timer, handler]() -> kj::Promise<void> {
    auto fields = headers_of(request);
    auto sent = start(request, fields);
    auto limit = request.timeout.count() * kj::MILLISECONDS;
    return timer.timeoutAfter(limit, kj::mv(sent.response))
        .then([this, &request, handler](kj::HttpClient::Response&& response) -> kj::Promise<void> {
          if (response.statusCode >= 400) {
            auto read = response.body->readAllText(limits::http_body_max);
            return read.attach(kj::mv(response.body))
                .then([this, &request, status = response.statusCode](kj::String text) {
                  answer_error = error_of(status, {text.begin(), text.size()}, request.path);
                  kj::throwFatalException(KJ_EXCEPTION(FAILED, "refused"));
                });
          }
          auto buffer = kj::heapArray<char>(64 << 10);
          auto all = pieces(*response.body, handler, buffer);
          return all.attach(kj::mv(response.body), kj::mv(buffer));
        });
  });
}

kj::Promise<void> HttpClient::Loop::pieces(kj::AsyncInputStream& body,
                                           std::shared_ptr<StreamHandler> handler,
                                           kj::ArrayPtr<char> buffer) {
  return body.tryRead(buffer.begin(), 1, buffer.size())
      .then([this, &body, handler, buffer](size_t count) -> kj::Promise<void> {
        if (count == 0) return kj::READY_NOW;
        handler->bytes({buffer.begin(), count});
        wake();
        return pieces(body, handler, buffer);
      });
}

void HttpClient::Loop::wake() {
  woken = true;
  if (waker.get() != nullptr && waker->isWaiting()) waker->fulfill();
}

void HttpClient::Loop::pump(Duration timeout) {
  if (interrupted) return;
  if (!woken) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    waker = kj::mv(paf.fulfiller);
    paf.promise.exclusiveJoin(on_interrupt())
        .exclusiveJoin(io.provider->getTimer().afterDelay(timeout.count() * kj::MILLISECONDS))
        .wait(io.waitScope);
    waker = nullptr;
  }
  woken = false;
}

void HttpClient::Loop::interrupt_on(int fd) {
  interrupt_input = io.lowLevelProvider->wrapInputFd(fd);
  interrupt = interrupt_input->tryRead(&interrupt_byte, 1, 1)
                  .then([this](size_t) { interrupted = true; })
                  .fork();
}

kj::Promise<void> HttpClient::Loop::on_interrupt() {
  KJ_IF_MAYBE (fork, interrupt) {
    return fork->addBranch();
  }
  return kj::NEVER_DONE;
}

Error HttpClient::Loop::error_from(const kj::Exception& exception) {
  if (answer_error) return *std::exchange(answer_error, std::nullopt);
  if (interrupted) return {Errc::unavailable, "interrupted", "", ""};
  if (exception.getType() == kj::Exception::Type::OVERLOADED)
    return {Errc::timed_out, fmt::format("the head at {} gave no answer in time", url), "",
            "is it busy or stopped? try again, or see its log"};
  return {Errc::unavailable, fmt::format("the head at {} cannot be reached", url),
          cause_of(exception),
          "start one here with `troupe up`, or choose another with --context or --url"};
}

}  // namespace troupe::client
