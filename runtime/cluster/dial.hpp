// Dialling: a TCP connection, TLS in it, and a greeting. On a KJ thread; private to the link
// client.
#pragma once

#include "runtime/cluster/link_client.hpp"
#include "runtime/cluster/tls_context.hpp"

#include <kj/async-io.h>

namespace troupe::cluster {

/// Connects, without delay for small messages, and says what it wants.
kj::Promise<kj::Own<kj::AsyncIoStream>> open_connection(kj::AsyncIoProvider& io,
                                                        const Address& address,
                                                        std::string_view opening);

/// A failure to reach the head, as ours.
Error dial_error(const Address& address, const kj::Exception& exception);

}  // namespace troupe::cluster
