// The answering end of bulk connections: the head's, to which the cluster port hands connections on
// unread, and a worker's for other workers, which has a port of its own. TLS and everything after
// it happens here, on a KJ loop of its own, so that no transfer, however large, stands before a
// control message. Workers dial; on some of their connections they ask, on others (to the head
// alone) they wait to be asked.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "runtime/cluster/certificates.hpp"
#include "runtime/cluster/link_server.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/fd.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace troupe::cluster {

struct BulkServerOptions {
  std::string authority;  // certificate
  Identity identity;      // of this node
  LinkHello hello;        // version and protocol; the time is added
  std::shared_ptr<Clock> clock;
  BulkOpen open;  // what workers may ask for
  AdmitWorker admit;
  /// Where it listens itself; absent: connections are handed to it.
  struct Listen {
    std::string bind = "0.0.0.0";
    uint16_t port = 0;     // 0: a free one
    bool insists = false;  // otherwise a taken port gives way to a free one
  };
  std::optional<Listen> listen{};
  std::chrono::milliseconds greeting_patience{5000};
  uint32_t greetings_max = 256;  // connections that have not proved themselves yet
  /// Connections on which workers ask, each with a thread of its own; others are served by the
  /// loop.
  size_t lane_threads_max = 64;
};

class BulkServer {
 public:
  static Result<std::unique_ptr<BulkServer>> start(BulkServerOptions options);
  /// Stops.
  ~BulkServer();
  BulkServer(const BulkServer&) = delete;
  BulkServer& operator=(const BulkServer&) = delete;

  /// Where it listens; 0: nowhere.
  uint16_t port() const;
  /// A connection whose opening was read. `serves`: its worker waits for questions. Any thread.
  void take(UniqueFd fd, bool serves);
  /// Asks a worker by its name. Any thread; never blocks.
  void ask(const std::string& worker, BulkQuestion question);
  /// Ends all connections of a worker. Any thread.
  void drop(const std::string& worker);
  /// Whoever still waits for an answer is told.
  void stop();

 private:
  class Loop;
  BulkServer();
  std::unique_ptr<Loop> loop_;
};

}  // namespace troupe::cluster
