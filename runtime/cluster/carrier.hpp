// The carrier: moves the bytes of one link between the network (TLS) and CAF's socketpair, on a KJ
// thread. What comes from the network passes the guard first. Memory is bounded: two buffers, and
// reading stops while the other side does not take. Destroying it closes both sides.
#pragma once

#include "runtime/cluster/frame_guard.hpp"

#include <kj/async-io.h>
#include <kj/timer.h>

#include <functional>
#include <optional>
#include <string>

namespace troupe::cluster {

class Carrier {
 public:
  /// Called once, when the peer's node id is known, before CAF sees it; false hangs up.
  using Identified = std::function<bool(const std::string& node_id)>;

  Carrier(kj::Own<kj::AsyncIoStream> net, kj::Own<kj::AsyncIoStream> local, kj::Timer& timer,
          FrameGuard guard, Identified identified);
  KJ_DISALLOW_COPY(Carrier);

  /// Bytes that were read from the network before; they go first.
  Result<void> begin_with(std::string_view bytes);
  /// Hands to CAF what passed and is not there yet.
  kj::Promise<void> flush();
  /// Until a side ends; rejects where the network failed.
  kj::Promise<void> run();
  /// Why the peer was hung up on, where it was.
  const std::optional<Error>& refusal() const { return refusal_; }

 private:
  kj::Promise<void> copy_in();
  kj::Promise<void> copy_out();

  bool take(std::string_view bytes);

  kj::Own<kj::AsyncIoStream> net_, local_;
  kj::Timer& timer_;
  FrameGuard guard_;
  Identified identified_;
  std::optional<Error> refusal_;
  std::string passed_;  // on its way to CAF
  kj::Array<kj::byte> in_, out_;
};

}  // namespace troupe::cluster
