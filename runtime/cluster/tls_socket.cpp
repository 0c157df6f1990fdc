#include "runtime/cluster/tls_socket.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <sys/socket.h>
#include <sys/time.h>

namespace troupe::cluster {

namespace {

constexpr auto what_failed = "a connection between nodes was ended";

/// The newest error of OpenSSL in words; leaves none behind for others to find.
std::string tls_cause() {
  auto number = ::ERR_peek_last_error();
  ::ERR_clear_error();
  const char* reason = number == 0 ? nullptr : ::ERR_reason_error_string(number);
  return reason == nullptr ? "TLS failed" : reason;
}

struct Parts {
  BIO* bio = nullptr;
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
  ~Parts() {
    ::BIO_free_all(bio);
    ::X509_free(certificate);
    ::EVP_PKEY_free(key);
  }
};

X509* read_certificate(Parts& parts, const std::string& pem) {
  parts.bio = ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  return parts.certificate = ::PEM_read_bio_X509(parts.bio, nullptr, nullptr, nullptr);
}

bool trust(SSL_CTX* context, const std::string& authority) {
  Parts parts;
  auto* certificate = read_certificate(parts, authority);
  return certificate != nullptr &&
         ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), certificate) == 1;
}

bool prove_with(SSL_CTX* context, const Identity& identity) {
  Parts parts, others;
  auto* certificate = read_certificate(parts, identity.certificate);
  others.bio = ::BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size()));
  others.key = ::PEM_read_bio_PrivateKey(others.bio, nullptr, nullptr, nullptr);
  return certificate != nullptr && others.key != nullptr &&
         ::SSL_CTX_use_certificate(context, certificate) == 1 &&
         ::SSL_CTX_use_PrivateKey(context, others.key) == 1 &&
         ::SSL_CTX_check_private_key(context) == 1;
}

}  // namespace

Result<std::shared_ptr<const TlsSettings>> TlsSettings::make(Side side,
                                                             const std::string& authority,
                                                             const Identity& identity) {
  std::shared_ptr<TlsSettings> settings{new TlsSettings};
  auto* context =
      ::SSL_CTX_new(side == Side::server ? ::TLS_server_method() : ::TLS_client_method());
  settings->context_ = context;
  bool made = context != nullptr && ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
              trust(context, authority) && prove_with(context, identity);
  if (!made)
    return Error{Errc::invalid, "TLS between nodes cannot be set up", tls_cause(),
                 "are this node's certificates whole?"};
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Sessions are not taken up again: their tickets would be two more messages to wait for.
  ::SSL_CTX_set_num_tickets(context, 0);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return std::shared_ptr<const TlsSettings>{std::move(settings)};
}

TlsSettings::~TlsSettings() {
  ::SSL_CTX_free(context_);
}

Result<std::unique_ptr<TlsSocket>> TlsSocket::begin(const TlsSettings& settings, UniqueFd fd,
                                                    std::chrono::milliseconds patience) {
  auto* session = ::SSL_new(settings.context_);
  int number = fd.get();
  std::unique_ptr<TlsSocket> socket{new TlsSocket{std::move(fd), session}};
  if (session == nullptr || ::SSL_set_fd(session, number) != 1)
    return Error{Errc::exhausted, what_failed, tls_cause(), "try again"};
  socket->set_patience(patience);
  return socket;
}

Result<std::unique_ptr<TlsSocket>> TlsSocket::connect(const TlsSettings& settings, UniqueFd fd,
                                                      const std::string& peer,
                                                      std::chrono::milliseconds patience) {
  auto socket = begin(settings, std::move(fd), patience);
  if (!socket) return socket;
  auto* session = (*socket)->session_;
  if (::SSL_set1_host(session, peer.c_str()) != 1)
    return Error{Errc::invalid, what_failed, tls_cause(), "is the node's name right?"};
  if (int done = ::SSL_connect(session); done != 1) return (*socket)->failed(done);
  return socket;
}

Result<std::unique_ptr<TlsSocket>> TlsSocket::accept(const TlsSettings& settings, UniqueFd fd,
                                                     std::chrono::milliseconds patience) {
  auto socket = begin(settings, std::move(fd), patience);
  if (!socket) return socket;
  if (int done = ::SSL_accept((*socket)->session_); done != 1) return (*socket)->failed(done);
  return socket;
}

TlsSocket::~TlsSocket() {
  ::SSL_free(session_);
}

std::string TlsSocket::peer() const {
  auto* certificate = ::SSL_get0_peer_certificate(session_);
  if (certificate == nullptr) return {};
  char name[256] = {};
  auto* subject = ::X509_get_subject_name(certificate);
  auto length = ::X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof name);
  return length <= 0 ? std::string{} : std::string{name, static_cast<size_t>(length)};
}

void TlsSocket::set_patience(std::chrono::milliseconds patience) {
  timeval wait{patience.count() / 1000, patience.count() % 1000 * 1000};
  for (int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    ::setsockopt(fd_.get(), SOL_SOCKET, option, &wait, sizeof wait);
}

/// What became of a call that returned `result`.
Error TlsSocket::failed(int result) const {
  int number = errno;
  switch (::SSL_get_error(session_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Error{Errc::timed_out, what_failed, "the other side stood still", "try again"};
    case SSL_ERROR_ZERO_RETURN:
      return Error{Errc::unavailable, what_failed, "the other side hung up", "try again"};
    case SSL_ERROR_SYSCALL:
      ::ERR_clear_error();
      if (number != 0) {
        auto error = errno_error(number, what_failed, "try again");
        error.code = Errc::unavailable;
        return error;
      }
      return Error{Errc::unavailable, what_failed, "the other side hung up", "try again"};
    default: {
      auto cause = tls_cause();
      bool hung_up = cause.find("unexpected eof") != std::string::npos;
      return Error{Errc::unavailable, what_failed, hung_up ? "the other side hung up" : cause,
                   hung_up ? "try again" : "is it a node of this cluster?"};
    }
  }
}

Result<void> TlsSocket::read(char* to, size_t bytes) {
  while (bytes > 0) {
    errno = 0;
    int done = ::SSL_read(
        session_, to, static_cast<int>(std::min<size_t>(bytes, std::numeric_limits<int>::max())));
    if (done <= 0) {
      if (errno == EINTR) continue;
      return failed(done);
    }
    to += done;
    bytes -= static_cast<size_t>(done);
  }
  return ok();
}

Result<void> TlsSocket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    errno = 0;
    auto most = std::min<size_t>(bytes.size(), std::numeric_limits<int>::max());
    int done = ::SSL_write(session_, bytes.data(), static_cast<int>(most));
    if (done <= 0) {
      if (errno == EINTR) continue;
      return failed(done);
    }
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return ok();
}

void TlsSocket::hang_up() {
  ::shutdown(fd_.get(), SHUT_RDWR);
}

}  // namespace troupe::cluster
