// A cluster port with its authority, peers that mean well, and peers that do not.
#pragma once

#include "runtime/cluster/join_token.hpp"
#include "runtime/cluster/link_client.hpp"
#include "runtime/cluster/link_server.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace troupe::cluster {

using namespace std::chrono_literals;

/// What another thread leaves for the test, awaited with a deadline.
template <class T>
class Mailbox {
 public:
  void put(T value) {
    std::lock_guard guard{mutex_};
    values_.push_back(std::move(value));
    came_.notify_all();
  }
  std::optional<T> take(std::chrono::milliseconds limit = 10s) {
    std::unique_lock lock{mutex_};
    if (!came_.wait_for(lock, limit, [&] { return !values_.empty(); })) return std::nullopt;
    auto value = std::move(values_.front());
    values_.erase(values_.begin());
    return value;
  }
  /// The first that fits; others before it are dropped.
  template <class Fits>
  std::optional<T> take_until(Fits fits) {
    while (auto value = take())
      if (fits(*value)) return value;
    return std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<T> values_;
};

/// Reads until so many bytes are there, the end, or ten seconds.
inline std::string read_some(int fd, size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    pollfd polled{fd, POLLIN, 0};
    if (::poll(&polled, 1, 10'000) <= 0) break;
    char piece[4096];
    auto n = ::recv(fd, piece, std::min(sizeof piece, bytes - text.size()), 0);
    if (n <= 0) break;
    text.append(piece, static_cast<size_t>(n));
  }
  return text;
}

class LinkTest : public ::testing::Test {
 protected:
  struct End {
    uint64_t number = 0;
    std::string name;
    Error error;
  };

  void SetUp() override {
    auto made = make_authority(clock->now());
    ASSERT_TRUE(made);
    authority = *made;
    start();
  }

  void start(std::chrono::milliseconds patience = 5s, uint32_t greetings_max = 256) {
    server.reset();
    LinkServerOptions options;
    options.authority = authority.certificate;
    options.identity = *make_head_identity(authority, clock->now());
    options.hello = hello("head");
    options.clock = clock;
    options.greeting_patience = patience;
    options.greetings_max = greetings_max;
    LinkServerEvents events;
    events.on_join = [this](const JoinRequest& request) -> Result<std::string> {
      auto token = parse_join_token(request.token);
      if (!token) return std::move(token).error();
      auto key = key_digest(request.key_request);
      if (!key) return std::move(key).error();
      TROUPE_TRY(tokens.redeem(*token, *key, clock->now()));
      return sign_worker(authority, request.key_request, request.name, clock->now());
    };
    events.on_link = [this](Link link) { links.put(std::make_shared<Link>(std::move(link))); };
    events.on_end = [this](uint64_t number, const std::string& name, const Error& error) {
      ends.put(End{number, name, error});
    };
    events.on_bulk = on_bulk;
    events.admit = admit;
    auto started = LinkServer::start(std::move(options), std::move(events));
    ASSERT_TRUE(started) << to_string(started.error());
    server = std::move(*started);
  }

  static LinkHello hello(std::string instance) { return {7, "1.2.3", std::move(instance), 0, ""}; }
  Address address() const { return {"127.0.0.1", server->port()}; }
  JoinToken token() {
    return tokens.make(fmt::format("127.0.0.1:{}", server->port()),
                       *fingerprint(authority.certificate), clock->now(), 10min);
  }
  Result<Joined> join(const std::string& name) {
    return join_cluster(address(), token(), name, *make_key_request(), hello("i"), *clock);
  }

  /// A worker's client and what came of it.
  struct Worker {
    Mailbox<std::shared_ptr<UniqueFd>> links;
    Mailbox<Error> ends;
    std::unique_ptr<LinkClient> client;
  };
  std::unique_ptr<Worker> dial(const Joined& joined, LinkHello who) {
    auto worker = std::make_unique<Worker>();
    LinkClientOptions options{address(), joined, std::move(who), clock, 20ms, 50ms};
    LinkClientEvents events;
    events.on_link = [w = worker.get()](UniqueFd fd, const LinkHello&) {
      w->links.put(std::make_shared<UniqueFd>(std::move(fd)));
    };
    events.on_end = [w = worker.get()](const Error& error) { w->ends.put(error); };
    worker->client = LinkClient::start(std::move(options), std::move(events));
    return worker;
  }

  std::shared_ptr<SystemClock> clock = std::make_shared<SystemClock>();
  Identity authority;
  JoinTokens tokens{"secret"};
  Mailbox<std::shared_ptr<Link>> links;
  Mailbox<End> ends;
  std::function<void(UniqueFd, bool)> on_bulk;  // set before start
  AdmitWorker admit;                            // likewise
  std::unique_ptr<LinkServer> server;
};

}  // namespace troupe::cluster
