// The network between the head and its workers, in place of TLS, sockets and CAF's own protocol.
// Everything of the product above those is real: uplink, desks, and each message crosses as bytes.
//
//   uplink -> proxy -> [frames: delayed, kept in order within a link] -> desk
//                        held back while the path is cut; lost with the link
//
// A link ends when a side closes it, when its process dies, or when it heard nothing for five
// seconds; then its proxies are dead at once, as CAF's are. Workers dial again as LinkClient does,
// and the head admits them as LinkServer does.
#pragma once

#include "actors/messages.hpp"
#include "tests/sim/proxy.hpp"
#include "tests/sim/world.hpp"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

enum class Side : uint8_t { head, worker };
inline constexpr Side other(Side side) {
  return side == Side::head ? Side::worker : Side::head;
}

class Network {
 public:
  explicit Network(World& world) : world_{world}, random_{world.random().fork()} {}
  ~Network();

  // The machines' cables. A path leads from a worker's machine to the head's, or back.
  void set_delay(const std::string& worker, Nanos least, Nanos most);
  void cut(const std::string& worker, bool to_head, bool from_head);
  void heal(const std::string& worker);

  // Processes come and go.
  void head_listens(ProcessId process, actors::links_actor links);
  void worker_dials(const std::string& worker, ProcessId process, actors::uplink_actor uplink);
  /// Dead: its links end. `silent`: with its machine, so that nobody is told.
  void gone(ProcessId process, bool silent);
  /// Goes on after a pause: what came meanwhile lies in its sockets.
  void resumed(ProcessId process);

  // What the product asks for.
  void serve(uint64_t link, const actors::desk_actor& desk);
  actors::desk_actor dial_desk(uint64_t link);  // null: it has ended
  void hang_up(const std::string& worker);

  /// Sees each message that crosses, and may change it: a test's way to break the promise of one
  /// side.
  std::function<void(Side from, caf::message&)> tamper;

  /// Told of each new link.
  std::function<void(const std::string& worker)> linked;

  uint64_t messages() const { return messages_; }
  uint64_t links() const { return next_link_; }

 private:
  struct Path {
    bool open = true;
    Nanos least{100'000}, most{1'000'000};
  };
  struct Frame {
    enum class Kind : uint8_t { message, served, down, beat, end } kind = Kind::beat;
    Nanos arrival{0};
    caf::strong_actor_ptr sender, receiver;
    caf::message_id mid;
    std::vector<char> bytes;
    caf::strong_actor_ptr introduced;  // the handle of a hello
  };
  struct End {
    ProcessId process = nobody;
    caf::node_id node;
    bool open = true;
    Nanos heard{0};
    std::map<caf::actor_id, caf::strong_actor_ptr> proxies;  // of the other side's actors
    std::deque<Frame> arriving;                              // towards this end
  };
  struct Link {
    uint64_t number = 0;
    std::string worker, instance;
    Nanos begun{0};
    bool served = false;  // the worker has got it
    actors::desk_actor desk;
    std::array<End, 2> ends;
    End& end(Side side) { return ends[static_cast<size_t>(side)]; }
  };
  using LinkPtr = std::shared_ptr<Link>;
  struct Worker {
    ProcessId process = nobody;
    actors::uplink_actor uplink;
    std::string instance;
    uint64_t dial = 0;  // counts tries
    Nanos pause{0};
    std::array<Path, 2> paths;  // by the side they lead to
  };

  Path& path(const std::string& worker, Side to) {
    return workers_[worker].paths[static_cast<size_t>(to)];
  }
  Nanos delay(const std::string& worker, Side to);

  // network_dial.cpp
  void dial(const std::string& worker);
  void dial_failed(const std::string& worker, uint64_t dial);
  void knock(const std::string& worker, uint64_t dial, Nanos since);
  void admitted(const std::string& worker, uint64_t dial);
  LinkPtr live(const std::string& worker, Side side);
  void arrived_served(const LinkPtr& link);
  void told_end(const LinkPtr& link, Side side, const std::string& cause);

  void send(const LinkPtr& link, Side from, Frame frame);
  void pump(const LinkPtr& link, Side to);
  void deliver(const LinkPtr& link, Side to, Frame frame);
  void deliver_message(const LinkPtr& link, Side to, const Frame& frame);
  void message_to(const LinkPtr& link, Side from, const caf::strong_actor_ptr& receiver,
                  caf::strong_actor_ptr sender, caf::message_id mid, caf::message content);
  caf::strong_actor_ptr proxy(const LinkPtr& link, Side at, const caf::strong_actor_ptr& of);
  void close(const LinkPtr& link, Side side, const std::string& cause);
  void forget_if_over(const LinkPtr& link);
  void beat(const LinkPtr& link);
  bool too_silent(const LinkPtr& link, Side side);
  caf::node_id node_of(ProcessId process) const;

  World& world_;
  Random random_;
  std::map<std::string, Worker> workers_;
  std::map<uint64_t, LinkPtr> links_;
  ProcessId head_ = nobody;
  actors::links_actor head_links_;
  uint64_t next_link_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace troupe::sim
