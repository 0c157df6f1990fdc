// Where ranks find each other: texts by key, each written once. The ranks of a communicator use it
// until they are connected, and never after. A store may be used by any thread.
#pragma once

#include "gpu/comm/http_values.hpp"
#include "gpu/comm/socket.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace troupe::comm {

class Store {
 public:
  virtual ~Store() = default;
  /// Writing the same again is fine; another value is a conflict.
  virtual Result<void> set(const std::string& key, const std::string& value) = 0;
  /// Nothing where nobody has written it yet.
  virtual Result<std::optional<std::string>> get(const std::string& key) = 0;
  /// The address by which other ranks may reach this one, as far as the store has seen it.
  virtual std::string own_address() const { return "127.0.0.1"; }
};

/// For ranks of one process; or served to others. What it takes is bounded, as it may lie in a
/// process that is not the job's: 1 MiB a text (invalid), 64 MiB in all (exhausted).
class MemoryStore final : public Store {
 public:
  Result<void> set(const std::string& key, const std::string& value) override;
  Result<std::optional<std::string>> get(const std::string& key) override;

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  size_t bytes_ = 0;
};

/// Serves a MemoryStore to those who know the secret, with a thread of its own; and HttpValues to
/// whoever comes from one of some addresses. Nobody who dawdles holds up the others.
class StoreServer {
 public:
  static Result<std::unique_ptr<StoreServer>> start(const Endpoint& at, const std::string& secret,
                                                    std::vector<std::string> http_from = {});
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;

  uint16_t port() const { return port_; }
  MemoryStore& values() { return values_; }

 private:
  class Guest;
  StoreServer() = default;
  void serve(UniqueFd listener, const std::string& secret);

  MemoryStore values_;
  HttpValues http_;
  std::vector<std::string> http_from_;
  uint16_t port_ = 0;
  UniqueFd stop_;
  std::thread thread_;
};

/// The store at an address; `serve` where it is this rank that serves it.
class TcpStore final : public Store {
 public:
  static Result<std::unique_ptr<TcpStore>> open(const Endpoint& at, const std::string& secret,
                                                bool serve, Moment until);

  Result<void> set(const std::string& key, const std::string& value) override;
  Result<std::optional<std::string>> get(const std::string& key) override;
  std::string own_address() const override { return own_address_; }

 private:
  TcpStore() = default;
  Result<std::string> ask(char what, const std::string& key, const std::string& value);

  Endpoint at_;
  std::string secret_;
  std::string own_address_;
  std::unique_ptr<StoreServer> server_;
};

}  // namespace troupe::comm
