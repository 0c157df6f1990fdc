#include "runtime/cluster/tls_context.hpp"

namespace troupe::cluster {

namespace {

kj::StringPtr ptr(const std::string& text) {
  return {text.c_str(), text.size()};
}

kj::Own<kj::TlsContext> make_context(const std::string& authority, const Identity* identity,
                                     bool verify) {
  kj::TlsCertificate trusted[]{kj::TlsCertificate{ptr(authority)}};
  kj::TlsContext::Options tls;
  tls.useSystemTrustStore = false;
  tls.verifyClients = verify;
  tls.trustedCertificates = kj::arrayPtr(trusted, 1);
  tls.minVersion = kj::TlsVersion::TLS_1_2;  // see require_tls13: this type knows no later one
  if (identity == nullptr) return kj::heap<kj::TlsContext>(kj::mv(tls));
  kj::TlsKeypair keypair{kj::TlsPrivateKey{ptr(identity->key)},
                         kj::TlsCertificate{ptr(identity->certificate)}};
  tls.defaultKeypair = keypair;
  return kj::heap<kj::TlsContext>(kj::mv(tls));
}

}  // namespace

kj::Own<kj::TlsContext> make_server_context(const std::string& authority, const Identity& identity,
                                            bool verify) {
  return make_context(authority, &identity, verify);
}

kj::Own<kj::TlsContext> make_client_context(const std::string& authority,
                                            const Identity* identity) {
  return make_context(authority, identity, false);
}

std::string peer_name(kj::AuthenticatedStream& stream) {
  auto& identity = kj::downcast<kj::TlsPeerIdentity>(*stream.peerIdentity);
  return identity.getCommonName().cStr();
}

}  // namespace troupe::cluster
