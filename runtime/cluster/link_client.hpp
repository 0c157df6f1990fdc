// The worker's way to the head: gets a certificate with a join token, then keeps one link: dials,
// carries, and dials again when it ends, for as long as it lives. A KJ loop on a thread of its own.
#pragma once

#include "runtime/cluster/certificates.hpp"
#include "runtime/cluster/join_token.hpp"
#include "runtime/cluster/link_protocol.hpp"
#include "runtime/core/fd.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace troupe::cluster {

struct Address {
  std::string host;
  uint16_t port = 0;
};
/// "HOST:PORT", "[::1]:PORT"; without a port the default of the cluster port.
Result<Address> parse_address(std::string_view text);
inline constexpr uint16_t default_cluster_port = 7071;

struct Joined {
  Identity identity;
  std::string authority;  // certificate
};
/// Asks the head for a certificate. Blocks up to some seconds; makes a thread for the time. The
/// same `key` again may have the answer that was lost.
Result<Joined> join_cluster(const Address& head, const JoinToken& token, const std::string& name,
                            const KeyRequest& key, LinkHello hello, Clock& clock);

struct LinkClientOptions {
  Address head;
  Joined joined;
  LinkHello hello;  // version, protocol and instance; the time is added
  std::shared_ptr<Clock> clock;
  std::chrono::milliseconds redial_first{100};
  std::chrono::milliseconds redial_max{1000};  // a worker is back a second after its head
};

/// Called on the client's thread; must not block.
struct LinkClientEvents {
  /// A link is there: the head's first bytes lie in `fd`, CAF's end.
  std::function<void(UniqueFd fd, const LinkHello& head)> on_link;
  /// It ended, or none could be had; it is dialled again.
  std::function<void(const Error&)> on_end;
};

class LinkClient {
 public:
  static std::unique_ptr<LinkClient> start(LinkClientOptions options, LinkClientEvents events);
  /// Stops.
  ~LinkClient();
  LinkClient(const LinkClient&) = delete;
  LinkClient& operator=(const LinkClient&) = delete;

  /// Ends the link there is, so that it is dialled anew. Any thread.
  void hang_up();
  /// No event comes after its return.
  void stop();

 private:
  class Loop;
  LinkClient();
  std::unique_ptr<Loop> loop_;
};

}  // namespace troupe::cluster
