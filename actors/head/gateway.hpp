// The gateway: the public API's thread. KJ's event loop and everything of it lives on that one
// thread; actors reach it through the event relay, it reaches actors through the bridge.
#pragma once

#include "actors/head/gateway_service.hpp"
#include "runtime/cluster/inbox.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace troupe::actors {

/// Tells the gateway that the ledger has grown. Any thread; news that the gateway has not taken yet
/// are one.
class EventRelay {
 public:
  void came(uint64_t last);

 private:
  friend class Gateway;
  cluster::Inbox inbox_{64};
  std::atomic<uint64_t> last_{0};
  std::atomic<bool> posted_{false};
  GatewayService* service_ = nullptr;  // on the KJ thread alone
};

struct GatewayOptions {
  std::string bind = "127.0.0.1";
  uint16_t port = 0;  // 0: a free one
  std::vector<std::string> allowed_hosts;
};

class Gateway {
 public:
  /// Serves from its return on. exhausted or io where the address cannot be had.
  static Result<std::unique_ptr<Gateway>> start(caf::actor_system& system, HeadContextRef context,
                                                GatewayPeers peers,
                                                std::shared_ptr<EventRelay> relay,
                                                GatewayOptions options);
  /// Stops.
  ~Gateway();

  uint16_t port() const { return port_; }
  /// Accepts nothing more, ends what is open, ends the thread. Before the actors end.
  void stop();

 private:
  Gateway() = default;
  void serve(HeadContextRef context, GatewayPeers peers, std::shared_ptr<EventRelay> relay,
             GatewayOptions options, std::function<void(Result<uint16_t>)> ready);

  caf::actor bridge_;
  std::thread thread_;
  uint16_t port_ = 0;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop_;
};

}  // namespace troupe::actors
