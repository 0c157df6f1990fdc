// The way to one peer for what is large: connections that block, one for each thread that asks at
// the same time, kept for the next question. Made for a fill and gone with it. Any thread.
#pragma once

#include "runtime/cluster/bulk_lane.hpp"

#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace troupe::cluster {

struct BulkLanesOptions {
  Address address;
  Joined joined;
  LinkHello hello;  // version, protocol and instance; the time is added
  std::shared_ptr<Clock> clock;
  std::string peer{head_name};  // whose certificate is expected
};

class BulkLanes final : public BulkPort {
 public:
  static Result<std::shared_ptr<BulkLanes>> open(BulkLanesOptions options);
  ~BulkLanes() override;

  /// On a thread of its own for the time: meant for small things.
  void ask(BulkQuestion question) override;
  Result<BulkAnswer> ask_here(BulkQuestion question) override;
  /// Whoever still waits for an answer is told, and whoever asks later.
  void stop();

 private:
  using LaneRef = std::shared_ptr<BulkLane>;

  explicit BulkLanes(BulkLanesOptions options) : options_{std::move(options)} {}
  /// Null: none is idle.
  LaneRef take_idle();
  Result<LaneRef> dial();
  Result<BulkAnswer> ask_on(const LaneRef& lane, const BulkQuestion& question);

  BulkLanesOptions options_;
  std::shared_ptr<const TlsSettings> settings_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::vector<LaneRef> idle_;
  std::set<LaneRef> busy_;
  FileThreads threads_{1, 100};
};

}  // namespace troupe::cluster
