// The loop behind LinkServer. Private to link_server.cpp and link_server_loop.cpp; everything but
// `inbox`, `stop` and `port` belongs to its thread.
#pragma once

#include "runtime/cluster/carrier.hpp"
#include "runtime/cluster/inbox.hpp"
#include "runtime/cluster/link_server.hpp"

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <future>
#include <map>
#include <thread>

namespace troupe::cluster {

class LinkServer::Loop final : private kj::TaskSet::ErrorHandler {
 public:
  Loop(LinkServerOptions options, LinkServerEvents events)
      : options_{std::move(options)}, events_{std::move(events)} {}

  /// The thread: listens, says so, serves until `stop`.
  void run(std::promise<Result<void>>& started);
  void close(uint64_t number);
  void drop(const std::string& worker);

  std::thread thread;
  Inbox inbox{10'000};
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop;
  uint16_t port = 0;

 private:
  struct Greeted {
    kj::Own<kj::AsyncIoStream> stream;  // null: nothing more is wanted of it
    std::string name;
    LinkHello hello;
    int socket = -1;  // beneath the stream, whose it is
  };
  struct Live {
    uint64_t number = 0;
    int socket = -1;
    bool silent = false;
    std::string instance;
    std::string node_id;
    kj::Own<kj::PromiseFulfiller<void>> end;
  };
  struct Contexts {  // they need the loop's timer
    kj::Own<kj::TlsContext> join, link;
  };

  kj::Promise<void> accept_loop(kj::ConnectionReceiver& receiver);
  kj::Promise<void> serve(kj::AuthenticatedStream stream);
  kj::Promise<Greeted> greet(kj::AuthenticatedStream stream);
  kj::Promise<Greeted> hand_on(kj::AsyncIoStream& stream, bool serves);
  kj::Promise<Greeted> greet_join(kj::Own<kj::AsyncIoStream> stream);
  kj::Promise<Greeted> answer_join(kj::Own<kj::AsyncIoStream> stream);
  kj::Promise<Greeted> greet_link(kj::AuthenticatedStream stream);
  kj::Promise<void> watch_machines();
  kj::Promise<Greeted> answer_link(kj::Own<kj::AsyncIoStream> stream, std::string name,
                                   const std::string& text);
  kj::Promise<Greeted> refuse(kj::Own<kj::AsyncIoStream> stream, const Error& error);
  kj::Promise<void> carry(Greeted greeted);
  Result<void> admit(const std::string& name, const LinkHello& hello);
  LinkHello hello() const;
  void complain(const std::string& peer, const Error& error);
  void taskFailed(kj::Exception&& exception) override;

  LinkServerOptions options_;
  LinkServerEvents events_;
  kj::AsyncIoContext* io_ = nullptr;
  kj::TaskSet* tasks_ = nullptr;
  Contexts contexts_;
  std::map<std::string, Live> live_;  // by name
  uint64_t next_number_ = 0;
  uint32_t greetings_ = 0;
  kj::TimePoint complained_ = kj::origin<kj::TimePoint>();
  uint64_t unsaid_ = 0;
};

}  // namespace troupe::cluster
