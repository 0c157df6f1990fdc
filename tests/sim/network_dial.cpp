// How links come to be: the worker's LinkClient and the head's LinkServer, told again in virtual
// time, with their patience.
#include "tests/sim/network.hpp"

#include <fmt/format.h>

namespace troupe::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// As link_client.cpp and link_server_loop.cpp have them.
constexpr Nanos redial_first = milliseconds{100};
constexpr Nanos redial_most = seconds{1};
constexpr Nanos connect_patience = seconds{2};
constexpr Nanos greeting_patience = seconds{5};
constexpr Nanos good_after = seconds{5};
constexpr Nanos redial_pause = milliseconds{100};
constexpr int64_t told_time_us = 1'700'000'000'000'000;
constexpr Nanos look_again = milliseconds{200};

}  // namespace

void Network::head_listens(ProcessId process, actors::links_actor links) {
  head_ = process;
  head_links_ = std::move(links);
}

void Network::worker_dials(const std::string& name, ProcessId process,
                           actors::uplink_actor uplink) {
  auto& worker = workers_[name];
  worker.process = process;
  worker.uplink = std::move(uplink);
  worker.instance = fmt::format("{}", process);
  worker.pause = redial_first;
  dial(name);
}

void Network::dial(const std::string& name) {
  auto& worker = workers_[name];
  if (worker.process == nobody) return;
  auto number = ++worker.dial;
  // A handshake goes to and fro before the head knows who is there.
  auto wait = delay(name, Side::head) + delay(name, Side::worker) + delay(name, Side::head);
  world_.after(wait, [this, name, number, begun = world_.now()] {
    if (workers_[name].dial == number) knock(name, number, begun);
  });
}

void Network::dial_failed(const std::string& name, uint64_t number) {
  auto& worker = workers_[name];
  if (worker.dial != number || worker.process == nobody) return;
  auto pause = std::max(redial_pause, random_.between(worker.pause / 2, worker.pause));
  worker.pause = std::min(worker.pause * 2, redial_most);
  world_.after(pause, [this, name, number] {
    if (workers_[name].dial == number) dial(name);
  });
}

/// At the head's door.
void Network::knock(const std::string& name, uint64_t number, Nanos begun) {
  auto& worker = workers_[name];
  if (worker.dial != number || worker.process == nobody) return;
  bool reached = path(name, Side::head).open && path(name, Side::worker).open;
  if (reached && head_ == nobody) return dial_failed(name, number);  // refused at once
  bool answered = reached && world_.awake(head_) && world_.awake(worker.process);
  if (!answered) {
    if (world_.now() - begun > (reached ? greeting_patience : connect_patience))
      return dial_failed(name, number);
    world_.after(look_again, [this, name, number, begun] { knock(name, number, begun); });
    return;
  }
  if (auto link = live(name, Side::head)) {
    // Another process under this name: refused. The same one: it knows that its old link is dead.
    if (link->instance != worker.instance) return dial_failed(name, number);
    close(link, Side::head, "it dialled again");
    world_.after(redial_pause, [this, name, number, begun] { knock(name, number, begun); });
    return;
  }
  admitted(name, number);
}

Network::LinkPtr Network::live(const std::string& name, Side side) {
  for (auto& [number, link] : links_)
    if (link->worker == name && link->end(side).open) return link;
  return nullptr;
}

void Network::admitted(const std::string& name, uint64_t number) {
  auto& worker = workers_[name];
  auto link = std::make_shared<Link>();
  link->number = ++next_link_;
  link->worker = name;
  link->instance = worker.instance;
  link->begun = world_.now();
  for (auto side : {Side::head, Side::worker}) {
    auto& end = link->end(side);
    end.process = side == Side::head ? head_ : worker.process;
    end.node = node_of(end.process);
    end.heard = world_.now();
  }
  links_.emplace(link->number, link);
  world_.note("link", link->number);
  if (linked) linked(name);
  world_.trace([&] { return fmt::format("link {}: {} is linked", link->number, name); });
  cluster::Link told{link->number, name, {}, {}};
  caf::anon_send(head_links_, linked_atom_v, actors::share(std::move(told)));
  world_.after(Nanos{std::chrono::seconds{1}}, [this, link] { beat(link); });
  world_.after(greeting_patience, [this, link] {
    if (!link->served) close(link, Side::worker, "the head said nothing");
  });
  (void)number;
}

void Network::serve(uint64_t number, const actors::desk_actor& desk) {
  auto it = links_.find(number);
  if (it == links_.end()) return;
  auto link = it->second;
  link->desk = desk;
  Frame frame;
  frame.kind = Frame::Kind::served;
  send(link, Side::head, std::move(frame));
}

/// CAF's first bytes are here: the worker has its link.
void Network::arrived_served(const LinkPtr& link) {
  link->served = true;
  auto& worker = workers_[link->worker];
  if (!worker.uplink) return;
  actors::HeadLink told;
  told.head.instance = fmt::format("{}", link->number);
  told.head.time_us = told_time_us;
  told.head.url = "http://head:7070";
  caf::anon_send(worker.uplink, linked_atom_v, actors::share(std::move(told)));
}

actors::desk_actor Network::dial_desk(uint64_t number) {
  auto it = links_.find(number);
  if (it == links_.end() || !it->second->end(Side::worker).open || !it->second->desk) return {};
  return caf::actor_cast<actors::desk_actor>(
      proxy(it->second, Side::worker, caf::actor_cast<caf::strong_actor_ptr>(it->second->desk)));
}

void Network::hang_up(const std::string& name) {
  world_.soon([this, name] {
    if (auto link = live(name, Side::worker)) close(link, Side::worker, "it was hung up");
  });
}

void Network::told_end(const LinkPtr& link, Side side, const std::string& cause) {
  if (side == Side::head) {
    link->desk = nullptr;
    if (head_ == link->end(side).process && head_links_)
      caf::anon_send(head_links_, unlinked_atom_v, link->number, link->worker, cause);
    return;
  }
  auto& worker = workers_[link->worker];
  if (worker.process != link->end(side).process || !worker.uplink) return;
  caf::anon_send(worker.uplink, unlinked_atom_v);
  if (world_.now() - link->begun > good_after) worker.pause = redial_first;
  dial_failed(link->worker, worker.dial);
}

}  // namespace troupe::sim
