// One RPC connection with limits. (TwoPartyServer of Cap'n Proto 0.9.2 takes none.)
#include "client/api/rpc_session.hpp"

#include <capnp/rpc-twoparty.h>

namespace troupe::api {

namespace {

capnp::ReaderOptions reader_limits() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = (8u << 20) / sizeof(capnp::word);
  options.nestingLimit = 32;
  return options;
}

struct Connection {
  Connection(kj::Own<kj::AsyncIoStream> s, capnp::Capability::Client root)
      : stream{kj::mv(s)},
        network{*stream, capnp::rpc::twoparty::Side::SERVER, reader_limits()},
        rpc{capnp::makeRpcServer(network, kj::mv(root))} {
    rpc.setFlowLimit(1u << 20);  // words of calls in flight
  }
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
};

}  // namespace

kj::Promise<void> serve_rpc(Shared& shared, kj::Own<kj::AsyncIoStream> stream) {
  auto login = kj::newPromiseAndFulfiller<void>();
  auto root = make_troupe(shared, [f = kj::mv(login.fulfiller)]() mutable { f->fulfill(); });
  auto connection = kj::heap<Connection>(kj::mv(stream), wire::Troupe::Client(kj::mv(root)));
  auto gone = connection->network.onDisconnect();
  // Who has not logged in in time is disconnected; afterwards the connection lives as it likes.
  auto late = shared.timer.afterDelay(shared.options.header_timeout).then([] { return true; });
  auto in_time = login.promise.then([] { return false; });
  auto judged = late.exclusiveJoin(kj::mv(in_time)).then([](bool too_late) -> kj::Promise<void> {
    if (too_late) return kj::READY_NOW;
    return kj::NEVER_DONE;
  });
  return gone.exclusiveJoin(kj::mv(judged))
      .exclusiveJoin(shared.stopping.addBranch())
      .attach(kj::mv(connection));
}

}  // namespace troupe::api
