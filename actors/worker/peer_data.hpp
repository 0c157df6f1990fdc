// Dataset versions from other workers that have them, several at once, and from the head where none
// is left. A worker that dies, lies or is slow is given up for this version, and named.
#pragma once

#include "actors/worker/data_source.hpp"
#include "runtime/core/clock.hpp"

#include <functional>
#include <memory>
#include <string>

namespace troupe::actors {

/// The way to a worker by its name and HOST:PORT. Ends with the port.
using OpenPeer = std::function<Result<std::shared_ptr<cluster::BulkPort>>(
    const std::string& node, const std::string& address)>;

/// The quick way to the head, for blocks; fails at once where the head is away.
using OpenHead = std::function<Result<std::shared_ptr<cluster::BulkPort>>()>;

struct PeerPatience {
  /// Of one block: this, and its bytes at the least rate that is worth waiting for.
  std::chrono::milliseconds block{10'000};
  uint64_t bytes_a_second_min = 2u << 20;
  /// The head helps out when the first blocks of all others take longer than that.
  std::chrono::milliseconds first{1'000};
};

class PeerData final : public DataSource {
 public:
  /// `head` waits for a head that is away; `open_head` may be absent.
  PeerData(std::shared_ptr<cluster::BulkPort> head, OpenPeer open_peer, OpenHead open_head,
           std::shared_ptr<Clock> clock, PeerPatience patience = {})
      : head_{std::move(head)},
        open_peer_{std::move(open_peer)},
        open_head_{std::move(open_head)},
        clock_{std::move(clock)},
        patience_{patience} {}
  std::unique_ptr<VersionSource> version(const dataset::ContentId& id) override;

 private:
  std::shared_ptr<cluster::BulkPort> head_;
  OpenPeer open_peer_;
  OpenHead open_head_;
  std::shared_ptr<Clock> clock_;
  PeerPatience patience_;
};

}  // namespace troupe::actors
