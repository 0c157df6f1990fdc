#include "runtime/cluster/caf_link.hpp"

#include <caf/io/basp_broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/scribe_impl.hpp>

#include <atomic>

namespace troupe::cluster {

namespace {

namespace network = caf::io::network;

/// A scribe over a socketpair. CAF's own asks the socket for its address, which ends the process
/// where it has none.
class LinkScribe final : public network::scribe_impl {
 public:
  LinkScribe(network::default_multiplexer& multiplexer, int fd)
      : network::scribe_impl{multiplexer, fd} {
    // Not the descriptor, which is CAF's choice: those numbers come back, and a message to a link
    // that is gone would reach the next one.
    static std::atomic<int64_t> next{int64_t{1} << 40};
    hdl_ = caf::io::connection_handle::from_int(next++);
    msg().handle = hdl_;
  }
  std::string addr() const override { return "link"; }
  uint16_t port() const override { return link_port; }
};

}  // namespace

caf::actor link_broker(caf::actor_system& system) {
  return system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
}

caf::io::scribe_ptr make_scribe(caf::actor_system& system, UniqueFd fd) {
  auto& multiplexer = dynamic_cast<network::default_multiplexer&>(system.middleman().backend());
  return caf::make_counted<LinkScribe>(multiplexer, fd.release());
}

}  // namespace troupe::cluster
