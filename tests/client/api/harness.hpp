// A server on a thread of its own, and a plain blocking client that can send anything.
#pragma once

#include "client/api/server.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"
#include "tests/client/api/fake_service.hpp"

#include <gtest/gtest.h>
#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace troupe::api {

class TestServer {
 public:
  explicit TestServer(ServerOptions options = {});
  ~TestServer() noexcept;
  uint16_t port() const { return port_; }
  /// Runs on the server's thread.
  void with(const std::function<void(FakeService&, ApiServer&)>& use);

 private:
  void run(ServerOptions options);

  uint16_t port_ = 0;
  FakeService* service_ = nullptr;
  ApiServer* server_ = nullptr;
  kj::Own<const kj::Executor> executor_;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop_;
  std::thread thread_;
};

struct Reply {
  int status = 0;  // 0: the connection was closed without an answer
  std::string head;
  std::string body;
  Value json() const;
  std::string error_part(const std::string& name) const;
};

/// One connection. Reads give up after ten seconds.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  void send(const std::string& bytes);
  /// The other side reads its end then.
  void finish_sending();
  Reply read_reply(bool head_only = false);
  /// Until `text` was seen, or the end; all that came, also from before.
  const std::string& read_until(const std::string& text);
  /// Whether the other side closed, after reading all it sent.
  bool closed();

 private:
  bool read_more();

  UniqueFd fd_;
  std::string buffer_;
};

/// "METHOD target" with a good token and the body.
std::string request_text(const std::string& line, const std::string& body = {},
                         const std::string& headers = {});
Reply ask(uint16_t port, const std::string& line, const std::string& body = {},
          const std::string& headers = {});

}  // namespace troupe::api
