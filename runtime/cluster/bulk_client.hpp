// The worker's end of all bulk connections to the head, or to one other worker: dials those on
// which it waits for the head's questions (one more whenever none is idle), and those on which it
// asks itself. A KJ loop on a thread of its own: a transfer never stands before a control message.
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "runtime/cluster/link_client.hpp"

#include <memory>

namespace troupe::cluster {

struct BulkClientOptions {
  Address head;
  Joined joined;
  LinkHello hello;  // version, protocol and instance; the time is added
  std::shared_ptr<Clock> clock;
  BulkOpen open;                // what the head may ask for
  uint32_t lanes_max = 8;       // 0: it only asks
  std::string peer{head_name};  // whose certificate is expected
  /// So long a connection more than one waits for a question before it ends.
  std::chrono::milliseconds lane_idle_max{30'000};
};

class BulkClient final : public BulkPort {
 public:
  static std::unique_ptr<BulkClient> start(BulkClientOptions options);
  /// Stops.
  ~BulkClient() override;
  BulkClient(const BulkClient&) = delete;
  BulkClient& operator=(const BulkClient&) = delete;

  /// Whether there is a link to the head: only then anything is dialled. Any thread.
  void linked(bool there);
  /// Asks the head.
  void ask(BulkQuestion question) override;
  /// Whoever still waits for an answer is told.
  void stop();

 private:
  class Loop;
  BulkClient();
  std::unique_ptr<Loop> loop_;
};

}  // namespace troupe::cluster
