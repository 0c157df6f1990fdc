// The API over Cap'n Proto RPC: one Troupe for each connection; it gives a Session for a token.
// KJ thread.
#pragma once

#include "client/api/exchange.hpp"
#include "client/api/troupe.capnp.h"

#include <capnp/capability.h>
#include <kj/async-io.h>

namespace troupe::api {

/// `logged_in` is called once a token was accepted.
kj::Own<wire::Troupe::Server> make_troupe(Shared& shared, kj::Function<void()> logged_in);

/// Serves one connection until it ends, or does not log in in time. Its messages are limited to 8
/// MiB, since they come from anybody.
kj::Promise<void> serve_rpc(Shared& shared, kj::Own<kj::AsyncIoStream> stream);

}  // namespace troupe::api
