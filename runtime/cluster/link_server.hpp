// The head's cluster port: machines with a join token get a certificate here, workers with a
// certificate get a link. Nobody else gets an answer. A KJ loop on a thread of its own; its limits
// (patience, connections that have not proved themselves) are what a stranger can cost us.
#pragma once

#include "runtime/cluster/certificates.hpp"
#include "runtime/cluster/link_protocol.hpp"
#include "runtime/core/fd.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace troupe::cluster {

struct LinkServerOptions {
  std::string bind = "127.0.0.1";
  uint16_t port = 0;      // 0: a free one
  std::string authority;  // certificate
  Identity identity;      // the head's
  LinkHello hello;        // version and protocol; the time is added
  std::shared_ptr<Clock> clock;
  std::chrono::milliseconds greeting_patience{5000};
  uint32_t greetings_max = 256;  // connections that have not proved themselves yet
  uint32_t links_max = 4096;
  // CAF says something to each worker once a second. An acknowledgement that is late by so much was
  // lost several times, or its machine is gone.
  std::chrono::milliseconds silent_after{2000};
};

struct Link {
  uint64_t number = 0;  // of this link, for ever
  std::string name;     // of the worker, from its certificate
  LinkHello hello;
  UniqueFd fd;  // CAF's end
};

/// The name of a worker whose verified certificate has this common name; an error where it may not
/// come in. Called on the servers' threads; must not block. Absent: the name is the common name.
using AdmitWorker = std::function<Result<std::string>(const std::string& common_name)>;

/// All are called on the server's thread, and must not block.
struct LinkServerEvents {
  AdmitWorker admit;
  /// A machine asks for a certificate; the answer is one, or why not.
  std::function<Result<std::string>(const JoinRequest&)> on_join;
  std::function<void(Link link)> on_link;
  /// A connection for bulk, of which nothing but its opening was read: it has proved nothing yet.
  /// Absent: those are closed.
  std::function<void(UniqueFd fd, bool serves)> on_bulk;
  /// The worker's machine has stopped acknowledging what it is sent, or does again. A process that
  /// hangs does not matter here: its kernel answers for it. Never after the link's end.
  std::function<void(const std::string& name, bool silent)> on_silent;
  /// `error`: how it ended. Its name may be linked anew before this arrives elsewhere.
  std::function<void(uint64_t number, const std::string& name, const Error& error)> on_end;
};

class LinkServer {
 public:
  /// Serves from its return on.
  static Result<std::unique_ptr<LinkServer>> start(LinkServerOptions options,
                                                   LinkServerEvents events);
  /// Stops.
  ~LinkServer();
  LinkServer(const LinkServer&) = delete;
  LinkServer& operator=(const LinkServer&) = delete;

  uint16_t port() const;
  /// Ends a link. Any thread.
  void close(uint64_t number);
  /// Ends the link of a worker, where it has one. Any thread.
  void drop(const std::string& worker);
  /// Ends all links and the thread; no event comes after its return.
  void stop();

 private:
  class Loop;
  LinkServer();
  std::unique_ptr<Loop> loop_;
};

}  // namespace troupe::cluster
