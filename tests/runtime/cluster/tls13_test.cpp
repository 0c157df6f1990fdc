// TLS below 1.3 gets nobody in, however good the certificate.
#include "runtime/cluster/tls13.hpp"

#include "tests/runtime/cluster/link_fixture.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace troupe::cluster {
namespace {

// As in every process of Troupe: before anything else uses OpenSSL.
const bool required = require_tls13();

class OldTls : public LinkTest {
 protected:
  /// Shakes hands as a worker that speaks nothing newer than `version`; the error, or "".
  std::string shake_hands(const Joined& joined, int version) {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    EXPECT_EQ(::send(fd.get(), link_opening.data(), link_opening.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(link_opening.size()));
    auto* context = ::SSL_CTX_new(::TLS_client_method());
    ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    ::SSL_CTX_set_max_proto_version(context, version);
    auto read = [](const std::string& text, auto reader) {
      auto* bio = ::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
      auto* object = reader(bio, nullptr, nullptr, nullptr);
      ::BIO_free(bio);
      return object;
    };
    auto* key = read(joined.identity.key, ::PEM_read_bio_PrivateKey);
    auto* certificate = read(joined.identity.certificate, ::PEM_read_bio_X509);
    ::SSL_CTX_use_certificate(context, certificate);
    ::SSL_CTX_use_PrivateKey(context, key);
    auto* ssl = ::SSL_new(context);
    ::SSL_set_fd(ssl, fd.get());
    bool good = ::SSL_connect(ssl) == 1;
    std::string used = good ? ::SSL_get_version(ssl) : "refused";
    ::SSL_free(ssl);
    ::SSL_CTX_free(context);
    ::X509_free(certificate);
    ::EVP_PKEY_free(key);
    return used;
  }
};

TEST_F(OldTls, IsRefused) {
  ASSERT_TRUE(required);
  auto joined = join("w1");
  ASSERT_TRUE(joined);
  EXPECT_EQ(shake_hands(*joined, TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(shake_hands(*joined, TLS1_2_VERSION), "refused");
}

}  // namespace
}  // namespace troupe::cluster
