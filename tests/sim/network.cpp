#include "tests/sim/network.hpp"

#include "runtime/core/assert.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/scoped_execution_unit.hpp>
#include <fmt/format.h>

namespace troupe::sim {

namespace {

// As LinkedConfig has them.
constexpr Nanos beat_every = std::chrono::seconds{1};
constexpr Nanos silence_max = std::chrono::seconds{5};
/// What waited behind a cut is sent again when TCP next tries.
constexpr Nanos resend_after_max = std::chrono::milliseconds{400};

std::vector<char> to_bytes(caf::actor_system& system, const caf::message& content) {
  caf::scoped_execution_unit unit{&system};
  std::vector<char> bytes;
  caf::binary_serializer sink{&unit, bytes};
  auto error = sink(content);
  TROUPE_ASSERT(!error, caf::to_string(content));
  return bytes;
}

caf::message from_bytes(caf::actor_system& system, const std::vector<char>& bytes) {
  caf::scoped_execution_unit unit{&system};
  caf::message content;
  caf::binary_deserializer source{&unit, bytes};
  auto error = source(content);
  TROUPE_ASSERT(!error, "a message could not be read from its bytes");
  return content;
}

}  // namespace

Network::~Network() {
  for (auto& [number, link] : links_)
    for (auto& end : link->ends) {
      for (auto& [id, each] : std::exchange(end.proxies, {}))
        dynamic_cast<Proxy*>(caf::actor_cast<caf::abstract_actor*>(each))
            ->kill_proxy(nullptr, caf::exit_reason::remote_link_unreachable);
      end.arriving.clear();
    }
}

caf::node_id Network::node_of(ProcessId process) const {
  return *caf::make_node_id(process, "0123456789012345678901234567890123456789");
}

void Network::set_delay(const std::string& worker, Nanos least, Nanos most) {
  for (auto side : {Side::head, Side::worker}) {
    path(worker, side).least = least;
    path(worker, side).most = most;
  }
}

Nanos Network::delay(const std::string& worker, Side to) {
  auto& way = path(worker, to);
  return random_.between(way.least, way.most);
}

void Network::cut(const std::string& worker, bool to_head, bool from_head) {
  path(worker, Side::head).open = !to_head;
  path(worker, Side::worker).open = !from_head;
}

void Network::heal(const std::string& worker) {
  cut(worker, false, false);
  for (auto& [number, link] : links_) {
    if (link->worker != worker) continue;
    for (auto side : {Side::head, Side::worker})
      world_.after(random_.between(Nanos{0}, resend_after_max),
                   [this, each = link, side] { pump(each, side); });
  }
}

void Network::gone(ProcessId process, bool silent) {
  if (process == head_) {
    head_ = nobody;
    head_links_ = nullptr;
  }
  for (auto& [name, worker] : workers_)
    if (worker.process == process) {
      worker.process = nobody;
      worker.uplink = nullptr;
      ++worker.dial;
    }
  auto all = links_;
  for (auto& [number, link] : all)
    for (auto side : {Side::head, Side::worker}) {
      auto& end = link->end(side);
      if (end.process != process || !end.open) continue;
      end.open = false;
      end.proxies.clear();  // whoever holds one dies with it
      end.arriving.clear();
      // What lay in buffers of the process, or of a machine that is down, never left it.
      auto& leaving = link->end(other(side)).arriving;
      leaving.resize(random_.below(leaving.size() + 1));
      if (!silent) send(link, side, {Frame::Kind::end, {}, {}, {}, {}, {}, {}});
      forget_if_over(link);
    }
}

void Network::resumed(ProcessId process) {
  auto all = links_;
  for (auto& [number, link] : all)
    for (auto side : {Side::head, Side::worker}) {
      if (link->end(side).process != process || !link->end(side).open) continue;
      // Its timers and its sockets are ready at the same moment.
      bool sockets_first = random_.chance(0.5);
      if (sockets_first) pump(link, side);
      if (!too_silent(link, side) && !sockets_first) pump(link, side);
    }
}

void Network::send(const LinkPtr& link, Side from, Frame frame) {
  auto& end = link->end(other(from));
  if (!end.open) return;
  auto wait = delay(link->worker, other(from));
  frame.arrival = world_.now() + wait;
  if (!end.arriving.empty()) frame.arrival = std::max(frame.arrival, end.arriving.back().arrival);
  wait = frame.arrival - world_.now();
  end.arriving.push_back(std::move(frame));
  world_.after(wait, [this, link, to = other(from)] { pump(link, to); });
}

void Network::pump(const LinkPtr& link, Side to) {
  auto& end = link->end(to);
  while (end.open && !end.arriving.empty() && end.arriving.front().arrival <= world_.now() &&
         path(link->worker, to).open && world_.awake(end.process)) {
    auto frame = std::move(end.arriving.front());
    end.arriving.pop_front();
    end.heard = world_.now();
    deliver(link, to, std::move(frame));
  }
}

void Network::deliver(const LinkPtr& link, Side to, Frame frame) {
  world_.note("frame", link->number * 2 + static_cast<uint64_t>(to),
              static_cast<uint64_t>(frame.kind));
  switch (frame.kind) {
    case Frame::Kind::beat:
      break;
    case Frame::Kind::message:
      deliver_message(link, to, frame);
      break;
    case Frame::Kind::served:
      arrived_served(link);
      break;
    case Frame::Kind::down: {
      auto& proxies = link->end(to).proxies;
      auto it = proxies.find(frame.sender->id());
      if (it == proxies.end()) break;
      auto each = std::move(it->second);
      proxies.erase(it);
      dynamic_cast<Proxy*>(caf::actor_cast<caf::abstract_actor*>(each))
          ->kill_proxy(nullptr, caf::exit_reason::user_shutdown);
      break;
    }
    case Frame::Kind::end:
      close(link, to, "its connection was closed");
      break;
  }
}

void Network::deliver_message(const LinkPtr& link, Side to, const Frame& frame) {
  ++messages_;
  auto content = from_bytes(world_.system(), frame.bytes);
  if (tamper) tamper(other(to), content);
  if (frame.introduced)
    content =
        caf::make_message(hello_atom_v, content.get_as<NodeHello>(0),
                          caf::actor_cast<actors::node_actor>(proxy(link, to, frame.introduced)));
  world_.trace([&] {
    return fmt::format("link {}: {} gets {}", link->number,
                       to == Side::head ? "head" : link->worker,
                       caf::to_string(content).substr(0, 160));
  });
  caf::strong_actor_ptr sender;
  if (frame.sender) sender = proxy(link, to, frame.sender);
  frame.receiver->enqueue(std::move(sender), frame.mid, std::move(content), nullptr);
}

void Network::message_to(const LinkPtr& link, Side from, const caf::strong_actor_ptr& receiver,
                         caf::strong_actor_ptr sender, caf::message_id mid, caf::message content) {
  auto& end = link->end(from);
  if (!end.open || !world_.alive(end.process)) return;
  Frame frame;
  frame.kind = Frame::Kind::message;
  frame.sender = std::move(sender);
  frame.receiver = receiver;
  frame.mid = mid;
  // A handle does not cross: the other side makes a proxy for it.
  if (content.match_elements<caf::atom_value, NodeHello, actors::node_actor>()) {
    frame.introduced =
        caf::actor_cast<caf::strong_actor_ptr>(content.get_as<actors::node_actor>(2));
    content = caf::make_message(content.get_as<NodeHello>(1));
  }
  frame.bytes = to_bytes(world_.system(), content);
  send(link, from, std::move(frame));
}

caf::strong_actor_ptr Network::proxy(const LinkPtr& link, Side at,
                                     const caf::strong_actor_ptr& of) {
  auto& end = link->end(at);
  auto& known = end.proxies[of->id()];
  if (known) return known;
  std::weak_ptr<Link> weak = link;
  known = make_proxy(world_.system(), of->id(), link->end(other(at)).node,
                     [this, weak, at, of](caf::strong_actor_ptr sender, caf::message_id mid,
                                          caf::message content) {
                       if (auto there = weak.lock())
                         message_to(there, at, of, std::move(sender), mid, std::move(content));
                     });
  auto made = known;
  // Its other side tells when it ends, as CAF does for each proxy.
  caf::actor_cast<caf::abstract_actor*>(of)->attach_functor(
      [this, weak, at, of = caf::actor_cast<caf::weak_actor_ptr>(of)] {
        auto there = weak.lock();
        auto who = caf::actor_cast<caf::strong_actor_ptr>(of);
        if (!there || !who) return;
        auto& its = there->end(other(at));
        if (!its.open || !world_.alive(its.process)) return;
        Frame frame;
        frame.kind = Frame::Kind::down;
        frame.sender = who;
        send(there, other(at), std::move(frame));
      });
  return made;
}

void Network::close(const LinkPtr& link, Side side, const std::string& cause) {
  auto& end = link->end(side);
  if (!end.open) return;
  end.open = false;
  world_.trace([&] {
    return fmt::format("link {} of {} ends at {}: {}", link->number, link->worker,
                       side == Side::head ? "the head" : "the worker", cause);
  });
  end.arriving.clear();
  for (auto& [id, each] : std::exchange(end.proxies, {}))
    dynamic_cast<Proxy*>(caf::actor_cast<caf::abstract_actor*>(each))
        ->kill_proxy(nullptr, caf::exit_reason::remote_link_unreachable);
  send(link, side, {Frame::Kind::end, {}, {}, {}, {}, {}, {}});
  told_end(link, side, cause);
  forget_if_over(link);
}

void Network::forget_if_over(const LinkPtr& link) {
  if (!link->ends[0].open && !link->ends[1].open) links_.erase(link->number);
}

bool Network::too_silent(const LinkPtr& link, Side side) {
  auto& end = link->end(side);
  if (!end.open || world_.now() - end.heard <= silence_max) return false;
  close(link, side, "nothing was heard for too long");
  return true;
}

void Network::beat(const LinkPtr& link) {
  for (auto side : {Side::head, Side::worker}) {
    auto& end = link->end(side);
    if (!end.open || !world_.awake(end.process) || too_silent(link, side)) continue;
    send(link, side, {});
  }
  if (link->ends[0].open || link->ends[1].open)
    world_.after(beat_every, [this, link] { beat(link); });
}

}  // namespace troupe::sim
