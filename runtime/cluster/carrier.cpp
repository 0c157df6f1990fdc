#include "runtime/cluster/carrier.hpp"

#include <kj/debug.h>

namespace troupe::cluster {

namespace {

constexpr size_t buffer_bytes = 256u << 10;
// When one side has ended, what the other still says has so long to get through.
constexpr auto linger = 300 * kj::MILLISECONDS;
// A peer that takes none of a buffer in this time is gone or frozen; CAF's own patience is shorter.
constexpr auto write_patience = 15 * kj::SECONDS;

}  // namespace

Carrier::Carrier(kj::Own<kj::AsyncIoStream> net, kj::Own<kj::AsyncIoStream> local, kj::Timer& timer,
                 FrameGuard guard, Identified identified)
    : net_{kj::mv(net)},
      local_{kj::mv(local)},
      timer_{timer},
      guard_{std::move(guard)},
      identified_{std::move(identified)},
      in_{kj::heapArray<kj::byte>(buffer_bytes)},
      out_{kj::heapArray<kj::byte>(buffer_bytes)} {}

/// False where the peer is to be hung up on.
bool Carrier::take(std::string_view bytes) {
  bool known = !guard_.node_id().empty();
  if (auto good = guard_.pass(bytes, passed_); !good) {
    refusal_ = good.error();
    return false;
  }
  if (known || guard_.node_id().empty() || !identified_ || identified_(guard_.node_id()))
    return true;
  refusal_ = Error{Errc::conflict, "a link was refused", "another link is of the same node",
                   "two workers on one machine need process ids that differ"};
  return false;
}

Result<void> Carrier::begin_with(std::string_view bytes) {
  if (!take(bytes)) return *refusal_;
  return ok();
}

kj::Promise<void> Carrier::flush() {
  if (passed_.empty()) return kj::READY_NOW;
  return local_->write(passed_.data(), passed_.size()).then([this] { passed_.clear(); });
}

kj::Promise<void> Carrier::copy_in() {
  return flush()
      .then([this] { return net_->tryRead(in_.begin(), 1, in_.size()); })
      .then([this](size_t count) -> kj::Promise<void> {
        if (count == 0) {
          local_->shutdownWrite();
          return kj::READY_NOW;
        }
        if (!take({reinterpret_cast<const char*>(in_.begin()), count})) return kj::READY_NOW;
        return copy_in();
      });
}

kj::Promise<void> Carrier::copy_out() {
  return local_->tryRead(out_.begin(), 1, out_.size())
      .then([this](size_t count) -> kj::Promise<void> {
        if (count == 0) {
          net_->shutdownWrite();
          return kj::READY_NOW;
        }
        return timer_.timeoutAfter(write_patience, net_->write(out_.begin(), count)).then([this] {
          return copy_out();
        });
      });
}

kj::Promise<void> Carrier::run() {
  auto in = copy_in().fork();
  auto out = copy_out().fork();
  auto first = in.addBranch().exclusiveJoin(out.addBranch()).then([this]() -> kj::Promise<void> {
    if (refusal_) return kj::READY_NOW;
    return timer_.afterDelay(linger);
  });
  auto both = kj::joinPromises(kj::arr(in.addBranch(), out.addBranch()));
  return both.exclusiveJoin(kj::mv(first)).attach(kj::mv(in), kj::mv(out));
}

}  // namespace troupe::cluster
