#include "tests/bench/http_connection.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::bench {

namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

HttpConnection::HttpConnection(uint16_t port, std::string token) : token_{std::move(token)} {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
  int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

HttpConnection::~HttpConnection() {
  ::close(fd_);
}

void HttpConnection::fill() {
  char piece[65536];
  auto n = ::read(fd_, piece, sizeof piece);
  if (n <= 0) die("the head closed the connection");
  buffer_.append(piece, static_cast<size_t>(n));
}

void HttpConnection::send(std::string_view method, std::string_view path, std::string_view body) {
  auto text = fmt::format(
      "{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nContent-Type: "
      "application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      method, path, token_, body.size(), body);
  std::string_view rest = text;
  while (!rest.empty()) {
    auto n = ::write(fd_, rest.data(), rest.size());
    if (n <= 0) die("write");
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

HttpConnection::Response HttpConnection::receive() {
  size_t head_end = 0;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) fill();
  Response response;
  response.status = std::atoi(buffer_.c_str() + 9);
  auto length_at = buffer_.find("Content-Length: ");
  size_t length =
      length_at < head_end ? std::strtoull(buffer_.c_str() + length_at + 16, nullptr, 10) : 0;
  while (buffer_.size() < head_end + 4 + length) fill();
  response.body = buffer_.substr(head_end + 4, length);
  buffer_.erase(0, head_end + 4 + length);
  return response;
}

}  // namespace troupe::bench
