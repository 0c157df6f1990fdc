// The keeper: looks after what lies on disks. Counts it, checks it, removes what nothing needs,
// when it is asked to and, as the retention rules say, every hour. Its own thread, which each of
// these blocks; when the head stops, they end soon.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/keeper_ports.hpp"

#include <memory>

namespace troupe::actors {

struct KeeperPeers {
  ledger_actor ledger;
  dataset_actor datasets;
  registry_actor registry;
};

class KeeperState {
 public:
  static inline const char* name = "troupe.keeper";
  explicit KeeperState(keeper_actor::pointer self) : self_{self} {}
  keeper_actor::behavior_type make_behavior(HeadContextRef context, KeeperPeers peers);

 private:
  KeeperPorts make_ports();
  Result<cluster::BulkAnswer> ask(const std::string& node, cluster::BulkRequest request,
                                  uint64_t bytes_max, std::chrono::milliseconds limit) const;
  void wait_for_turn();
  void apply_rules();

  keeper_actor::pointer self_;
  HeadContextRef context_;
  KeeperPeers peers_;
  KeeperPorts ports_;
};

keeper_actor::behavior_type keeper_behavior(keeper_actor::stateful_pointer<KeeperState> self,
                                            HeadContextRef context, KeeperPeers peers);

}  // namespace troupe::actors
