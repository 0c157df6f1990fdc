// The two kinds of TLS contexts: nobody outside of the cluster is trusted, nothing is looked up.
#pragma once

#include "runtime/cluster/certificates.hpp"

#include <kj/compat/tls.h>

namespace troupe::cluster {

/// A server with this identity; with `verify`, clients have to prove themselves too.
kj::Own<kj::TlsContext> make_server_context(const std::string& authority, const Identity& identity,
                                            bool verify);
/// A client that trusts this authority alone; with an identity it proves itself.
kj::Own<kj::TlsContext> make_client_context(const std::string& authority, const Identity* identity);

/// The common name of a peer whose certificate was verified.
std::string peer_name(kj::AuthenticatedStream& stream);

}  // namespace troupe::cluster
