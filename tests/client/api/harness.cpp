#include "harness.hpp"

#include <arpa/inet.h>
#include <future>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace troupe::api {

TestServer::TestServer(ServerOptions options) {
  std::promise<void> ready;
  thread_ = std::thread([&, options] {
    auto io = kj::setupAsyncIo();
    FakeService service;
    ApiServer server{service, *io.provider, options};
    auto port = server.listen().wait(io.waitScope);
    port_ = port ? *port : 0;
    auto serving = server.serve().eagerlyEvaluate(nullptr);
    auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
    stop_ = kj::mv(stop.fulfiller);
    executor_ = kj::getCurrentThreadExecutor().addRef();
    service_ = &service;
    server_ = &server;
    ready.set_value();
    stop.promise.wait(io.waitScope);
    server.drain().wait(io.waitScope);
  });
  ready.get_future().wait();
  EXPECT_NE(port_, 0);
}

TestServer::~TestServer() noexcept {
  stop_->fulfill();
  thread_.join();
}

void TestServer::with(const std::function<void(FakeService&, ApiServer&)>& use) {
  executor_->executeSync([&] { use(*service_, *server_); });
}

Value Reply::json() const {
  auto value = parse_json(body);
  EXPECT_TRUE(value) << body;
  return value ? *value : Value{};
}

std::string Reply::error_part(const std::string& name) const {
  auto value = json();
  const auto* error = value.find("error");
  const auto* part = error != nullptr ? error->find(name) : nullptr;
  return part != nullptr ? part->to_text() : "(no " + name + " in " + body + ")";
}

RawClient::RawClient(uint16_t port) : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval limit{10, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

void RawClient::send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    auto n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;  // closed: the answer tells
    sent += static_cast<size_t>(n);
  }
}

void RawClient::finish_sending() {
  ::shutdown(fd_.get(), SHUT_WR);
}

bool RawClient::read_more() {
  char bytes[65536];
  auto n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(n));
  return true;
}

Reply RawClient::read_reply(bool head_only) {
  Reply reply;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!read_more()) return reply;
  reply.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  reply.status = std::stoi(reply.head.substr(9, 3));
  auto at = reply.head.find("Content-Length: ");
  size_t length = at == std::string::npos ? 0 : std::stoul(reply.head.substr(at + 16));
  if (head_only) return reply;
  if (at == std::string::npos && reply.status != 204) {
    while (buffer_.find("0\r\n\r\n") == std::string::npos && read_more()) {
    }
    length = buffer_.size();
  }
  while (buffer_.size() < length && read_more()) {
  }
  reply.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return reply;
}

const std::string& RawClient::read_until(const std::string& text) {
  while (buffer_.find(text) == std::string::npos && read_more()) {
  }
  return buffer_;
}

bool RawClient::closed() {
  char bytes[4096];
  ssize_t n = 0;
  while ((n = ::recv(fd_.get(), bytes, sizeof bytes, 0)) > 0) buffer_.append(bytes, size_t(n));
  return n == 0 || errno == ECONNRESET;
}

std::string request_text(const std::string& line, const std::string& body,
                         const std::string& headers) {
  auto text = line + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n" + headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

Reply ask(uint16_t port, const std::string& line, const std::string& body,
          const std::string& headers) {
  RawClient client{port};
  client.send(request_text(line, body, headers));
  return client.read_reply(line.starts_with("HEAD"));
}

}  // namespace troupe::api
