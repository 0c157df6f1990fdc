// The ways from this worker to others and back: it opens one to each worker that a fill asks, ends
// all of them when the worker stops, and has the port on which it is asked itself. Any thread.
#pragma once

#include "actors/worker/peer_data.hpp"
#include "actors/worker/peer_files.hpp"
#include "runtime/cluster/bulk_lanes.hpp"
#include "runtime/cluster/bulk_server.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

struct PeerDoorOptions {
  cluster::Joined joined;
  cluster::Address head_address;
  cluster::LinkHello hello;
  std::shared_ptr<Clock> clock;
  std::shared_ptr<cluster::BulkPort> head;
  std::shared_ptr<GivenVersions> given;
  std::optional<uint16_t> port;  // absent: the usual one, or any
};

class PeerDoor {
 public:
  static constexpr uint16_t usual_port = 7072;

  /// Without a port where none can be had and none was insisted on: then it only asks.
  static Result<std::shared_ptr<PeerDoor>> open(PeerDoorOptions options);

  /// Where others reach it on this machine's `host`; empty: nowhere.
  std::string address(const std::string& host) const;
  Result<std::shared_ptr<cluster::BulkPort>> peer(const std::string& node,
                                                  const std::string& address);
  /// The quick way to the head, which fails where it is away.
  Result<std::shared_ptr<cluster::BulkPort>> head();
  /// Whoever still waits for an answer is told.
  void stop();

 private:
  explicit PeerDoor(PeerDoorOptions options) : options_{std::move(options)} {}
  Result<std::shared_ptr<cluster::BulkPort>> lanes_to(const std::string& peer,
                                                      cluster::Address address);

  PeerDoorOptions options_;
  std::unique_ptr<cluster::BulkServer> server_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::vector<std::weak_ptr<cluster::BulkLanes>> peers_;
};

}  // namespace troupe::actors
