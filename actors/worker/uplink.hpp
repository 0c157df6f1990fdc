// The uplink: a worker's end of its link to a head in another process. Node and jobs talk
// to it as if it were the head; while there is no link, questions are answered with `unavailable`
// and reports are dropped: with the next link the node says hello, and everything is told again.
// Until a job does so on this link, what it reports is the rest of a story of which the head may
// have missed the beginning: it is dropped too.
#pragma once

#include "actors/messages.hpp"
#include "runtime/core/clock.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

namespace troupe::actors {

/// What becomes of a link: the desk at its other end, or why there is none. One of the two is
/// called, from the uplink's own thread.
struct DeskAnswer {
  std::function<void(desk_actor)> linked;
  std::function<void(caf::error&)> failed;
};
using DialDesk = std::function<void(uplink_actor::pointer self, HeadLink& link, DeskAnswer answer)>;
/// Through CAF's own broker, see link_broker.
DialDesk dial_through(caf::actor broker);

struct UplinkPeers {
  DialDesk dial;
  std::function<void()> hang_up;  // ends the link, so that it is dialled anew; any thread
  std::shared_ptr<Clock> clock;
  /// Set to the number of each link on which the head has welcomed the node.
  std::shared_ptr<std::atomic<uint64_t>> welcomed = std::make_shared<std::atomic<uint64_t>>(0);
};

class UplinkState {
 public:
  static inline const char* name = "troupe.uplink";
  explicit UplinkState(uplink_actor::pointer self) : self_{self} {}
  uplink_actor::behavior_type make_behavior(UplinkPeers peers);

 private:
  void linked(HeadLink& link);
  void unlinked();
  void beat(uint64_t link);
  void leave();
  caf::typed_response_promise<NodeWelcome> hello(const NodeHello& hello, const node_actor& node);
  template <class T, class... Ts>
  caf::result<T> ask(std::chrono::seconds timeout, Ts... question);

  uplink_actor::pointer self_;
  UplinkPeers peers_;
  node_actor node_;
  desk_actor desk_;    // null: there is no link
  uint64_t link_ = 0;  // counts links, so that late answers of an older one are known
  uint64_t beats_ = 0;
  std::chrono::milliseconds beat_every_{150};  // until the head says how often
  bool told_skew_ = false;
};

uplink_actor::behavior_type uplink_behavior(uplink_actor::stateful_pointer<UplinkState> self,
                                            UplinkPeers peers);

}  // namespace troupe::actors
