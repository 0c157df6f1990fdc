// The uplink: a worker's end of its link to a head in another process. Node and jobs talk
// to it as if it were the head; while there is no link, questions are answered with `unavailable`
// and reports are dropped: with the next link the node says hello, and everything is told again.
#pragma once

#include "actors/messages.hpp"

#include <functional>

namespace troupe::actors {

struct UplinkPeers {
  caf::actor broker;                // CAF's own, see link_broker
  std::function<void()> hang_up;    // ends the link, so that it is dialled anew; any thread
  std::function<int64_t()> now_us;  // wall clock
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
  template <class T, class... Ts>
  caf::result<T> ask(std::chrono::seconds timeout, Ts... question);

  uplink_actor::pointer self_;
  UplinkPeers peers_;
  node_actor node_;
  desk_actor desk_;    // null: there is no link
  uint64_t link_ = 0;  // counts links, so that late answers of an older one are known
  uint64_t beats_ = 0;
  bool told_skew_ = false;
};

uplink_actor::behavior_type uplink_behavior(uplink_actor::stateful_pointer<UplinkState> self,
                                            UplinkPeers peers);

}  // namespace troupe::actors
