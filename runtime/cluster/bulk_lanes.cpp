#include "runtime/cluster/bulk_lanes.hpp"

#include <fmt/format.h>

namespace troupe::cluster {

Result<std::shared_ptr<BulkLanes>> BulkLanes::open(BulkLanesOptions options) {
  std::shared_ptr<BulkLanes> lanes{new BulkLanes{std::move(options)}};
  auto& joined = lanes->options_.joined;
  auto settings = TlsSettings::make(TlsSettings::Side::client, joined.authority, joined.identity);
  if (!settings) return std::move(settings).error();
  lanes->settings_ = std::move(*settings);
  return lanes;
}

BulkLanes::~BulkLanes() {
  stop();
}

void BulkLanes::stop() {
  std::lock_guard guard{mutex_};
  stopped_ = true;
  idle_.clear();
  for (const auto& lane : busy_) lane->hang_up();
}

BulkLanes::LaneRef BulkLanes::take_idle() {
  std::lock_guard guard{mutex_};
  if (idle_.empty()) return nullptr;
  auto lane = std::move(idle_.back());
  idle_.pop_back();
  busy_.insert(lane);
  return lane;
}

Result<BulkLanes::LaneRef> BulkLanes::dial() {
  auto dialled =
      BulkLane::dial(*settings_, options_.address, options_.peer, options_.hello, *options_.clock);
  if (!dialled) return std::move(dialled).error();
  LaneRef lane = std::move(*dialled);
  std::lock_guard guard{mutex_};
  if (stopped_) return Error{Errc::unavailable, "nothing was fetched", "the worker stops", ""};
  busy_.insert(lane);
  return lane;
}

Result<BulkAnswer> BulkLanes::ask_on(const LaneRef& lane, const BulkQuestion& question) {
  auto answer = lane->ask(question);
  std::lock_guard guard{mutex_};
  busy_.erase(lane);
  if (lane->answer_ended() && !stopped_) idle_.push_back(lane);
  return answer;
}

/// A connection that was kept may have died meanwhile, as its peer was started anew: then one is
/// dialled, and then it is an error.
Result<BulkAnswer> BulkLanes::ask_here(BulkQuestion question) {
  if (auto lane = take_idle()) {
    auto answer = ask_on(lane, question);
    if (answer || lane->answer_begun() || answer.error().code == Errc::timed_out) return answer;
  }
  auto lane = dial();
  if (!lane) return std::move(lane).error();
  return ask_on(*lane, question);
}

void BulkLanes::ask(BulkQuestion question) {
  auto shared = std::make_shared<BulkQuestion>(std::move(question));
  if (!threads_.post([this, shared] { shared->done(ask_here(*shared)); }))
    shared->done(bulk_too_busy(shared->request));
}

}  // namespace troupe::cluster
