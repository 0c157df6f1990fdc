#include "actors/worker/peer_door.hpp"

#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

/// Certificates are the head's to take back; it is asked with each question (Members).
Result<std::string> admit(const std::string& common_name) {
  auto subject = cluster::parse_common_name(common_name);
  if (!subject) return std::move(subject).error();
  return common_name;
}

}  // namespace

Result<std::shared_ptr<PeerDoor>> PeerDoor::open(PeerDoorOptions options) {
  std::shared_ptr<PeerDoor> door{new PeerDoor{std::move(options)}};
  const auto& mine = door->options_;
  cluster::BulkServerOptions server;
  server.authority = mine.joined.authority;
  server.identity = mine.joined.identity;
  server.hello = mine.hello;
  server.clock = mine.clock;
  server.open = peer_files(mine.given, std::make_shared<Members>(mine.head, mine.clock));
  server.admit = admit;
  server.listen.emplace();
  server.listen->port = mine.port.value_or(usual_port);
  server.listen->insists = mine.port.has_value() && *mine.port != 0;
  auto started = cluster::BulkServer::start(std::move(server));
  if (started) {
    door->server_ = std::move(*started);
    return door;
  }
  if (mine.port) return std::move(started).error();
  log::warning("worker", "other workers cannot get datasets here: {}", to_string(started.error()));
  return door;
}

std::string PeerDoor::address(const std::string& host) const {
  if (!server_ || host.empty()) return {};
  bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", host, is_v6 ? "]" : "", server_->port());
}

Result<std::shared_ptr<cluster::BulkPort>> PeerDoor::peer(const std::string& node,
                                                          const std::string& address) {
  auto where = cluster::parse_address(address);
  if (!where) return std::move(where).error();
  return lanes_to(node, std::move(*where));
}

Result<std::shared_ptr<cluster::BulkPort>> PeerDoor::head() {
  return lanes_to(std::string{cluster::head_name}, options_.head_address);
}

Result<std::shared_ptr<cluster::BulkPort>> PeerDoor::lanes_to(const std::string& peer,
                                                              cluster::Address address) {
  auto lanes = cluster::BulkLanes::open(
      {std::move(address), options_.joined, options_.hello, options_.clock, peer});
  if (!lanes) return std::move(lanes).error();
  std::lock_guard guard{mutex_};
  if (stopped_)
    return Error{Errc::unavailable, "node " + peer + " was not asked", "the worker stops", ""};
  std::erase_if(peers_, [](const auto& one) { return one.expired(); });
  peers_.push_back(*lanes);
  return std::shared_ptr<cluster::BulkPort>{std::move(*lanes)};
}

void PeerDoor::stop() {
  std::vector<std::weak_ptr<cluster::BulkLanes>> peers;
  {
    std::lock_guard guard{mutex_};
    stopped_ = true;
    peers.swap(peers_);
  }
  for (const auto& peer : peers)
    if (auto there = peer.lock()) there->stop();
  if (server_) server_->stop();
}

}  // namespace troupe::actors
