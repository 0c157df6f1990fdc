#include "runtime/cluster/link_server.hpp"

#include "runtime/cluster/link_server_loop.hpp"
#include "runtime/cluster/loop_thread.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include <future>

namespace troupe::cluster {

LinkServer::LinkServer() = default;

LinkServer::~LinkServer() {
  stop();
}

uint16_t LinkServer::port() const {
  return loop_->port;
}

void LinkServer::close(uint64_t number) {
  (void)loop_->inbox.post([loop = loop_.get(), number] { loop->close(number); });
}

void LinkServer::drop(const std::string& worker) {
  (void)loop_->inbox.post([loop = loop_.get(), worker] { loop->drop(worker); });
}

void LinkServer::stop() {
  if (!loop_ || !loop_->thread.joinable()) return;
  loop_->stop->fulfill();
  loop_->thread.join();
}

Result<std::unique_ptr<LinkServer>> LinkServer::start(LinkServerOptions options,
                                                      LinkServerEvents events) {
  std::unique_ptr<LinkServer> server{new LinkServer};
  server->loop_ = std::make_unique<Loop>(std::move(options), std::move(events));
  TROUPE_TRY(start_thread(*server->loop_));
  return server;
}

}  // namespace troupe::cluster
