// A keep-alive HTTP connection that blocks: the least a client can cost, so that what is measured
// is the head.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::bench {

class HttpConnection {
 public:
  HttpConnection(uint16_t port, std::string token);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  struct Response {
    int status = 0;
    std::string body;
  };
  /// Ends the program with a message where the connection fails: a benchmark has no use for half a
  /// run.
  Response request(std::string_view method, std::string_view path, std::string_view body = {}) {
    send(method, path, body);
    return receive();
  }
  /// The two halves of a request, for many connections in one thread.
  void send(std::string_view method, std::string_view path, std::string_view body = {});
  Response receive();
  int fd() const { return fd_; }

 private:
  void fill();

  int fd_ = -1;
  std::string token_;
  std::string buffer_;
};

}  // namespace troupe::bench
