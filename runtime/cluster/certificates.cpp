#include "runtime/cluster/certificates.hpp"

#include "runtime/core/digest.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

namespace troupe::cluster {

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;

// Clocks of machines differ, and one that is a day or a month off may join all the same.
constexpr int64_t backdated_s = int64_t{365} * 24 * 3600;
constexpr int64_t valid_s = int64_t{3650} * 24 * 3600;
constexpr size_t pem_bytes_max = 16u << 10;

/// The newest error of OpenSSL as ours; leaves none behind for others to find.
Error crypto_error(std::string what) {
  char text[256] = "unknown";
  if (auto number = ::ERR_peek_last_error(); number != 0)
    ::ERR_error_string_n(number, text, sizeof text);
  ::ERR_clear_error();
  return Error{Errc::invalid, std::move(what), text, "is the file whole, and the right one?"};
}

Bio reader(const std::string& text) {
  return Bio{
      ::BIO_new_mem_buf(text.data(), static_cast<int>(std::min(text.size(), pem_bytes_max)))};
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

Result<std::string> pem_of(EVP_PKEY* key) {
  Bio bio{::BIO_new(::BIO_s_mem())};
  if (::PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return crypto_error("a key was not written");
  return text_of(bio.get());
}

Result<std::string> pem_of(X509* certificate) {
  Bio bio{::BIO_new(::BIO_s_mem())};
  if (::PEM_write_bio_X509(bio.get(), certificate) != 1)
    return crypto_error("a certificate was not written");
  return text_of(bio.get());
}

Result<Certificate> read_certificate(const std::string& pem) {
  Certificate certificate{::PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr)};
  if (!certificate) return crypto_error("a certificate cannot be read");
  return certificate;
}

Result<Key> read_key(const std::string& pem) {
  Key key{::PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, nullptr, nullptr)};
  if (!key) return crypto_error("a key cannot be read");
  return key;
}

Result<Request> read_request(const std::string& pem) {
  Request request{::PEM_read_bio_X509_REQ(reader(pem).get(), nullptr, nullptr, nullptr)};
  if (!request) return crypto_error("a request for a certificate cannot be read");
  auto* key = ::X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || ::X509_REQ_verify(request.get(), key) != 1)
    return crypto_error("a request for a certificate is not signed by its key");
  // Nothing but our own kind: an absurd key would cost whoever has to check its signatures.
  if (::EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || ::EVP_PKEY_get_bits(key) != 256)
    return crypto_error("a request for a certificate has another kind of key");
  return request;
}

Result<Key> make_key() {
  Key key{::EVP_EC_gen("P-256")};
  if (!key) return crypto_error("no key could be made");
  return key;
}

Result<void> extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* extension = ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  bool added = extension != nullptr && ::X509_add_ext(certificate, extension, -1) == 1;
  ::X509_EXTENSION_free(extension);
  return added ? ok() : crypto_error("a certificate could not be made");
}

/// All but extensions and signature.
Result<Certificate> blank(EVP_PKEY* key, std::string_view common_name, Timestamp now) {
  Certificate certificate{::X509_new()};
  auto* x = certificate.get();
  auto serial = random_bytes(16);
  serial[0] = static_cast<char>(serial[0] & 0x7f);  // positive
  std::unique_ptr<BIGNUM, Freed<BN_free>> number{
      ::BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()),
                  static_cast<int>(serial.size()), nullptr)};
  auto seconds = now.us / 1'000'000;
  auto* name = ::X509_get_subject_name(x);
  bool good =
      ::X509_set_version(x, 2) == 1 && number &&
      ::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(x)) != nullptr &&
      ::ASN1_TIME_set(::X509_getm_notBefore(x), seconds - backdated_s) != nullptr &&
      ::ASN1_TIME_set(::X509_getm_notAfter(x), seconds + valid_s) != nullptr &&
      ::X509_set_pubkey(x, key) == 1 &&
      ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(common_name.data()),
                                   static_cast<int>(common_name.size()), -1, 0) == 1;
  if (!good) return crypto_error("a certificate could not be made");
  return certificate;
}

/// Signs the certificate of a node; `usage` is what it may prove.
Result<std::string> issue(const Identity& authority, EVP_PKEY* key, std::string_view name,
                          const std::string& usage, Timestamp now) {
  auto issuer = read_certificate(authority.certificate);
  if (!issuer) return std::move(issuer).error();
  auto issuer_key = read_key(authority.key);
  if (!issuer_key) return std::move(issuer_key).error();
  auto made = blank(key, name, now);
  if (!made) return std::move(made).error();
  auto* x = made->get();
  if (::X509_set_issuer_name(x, ::X509_get_subject_name(issuer->get())) != 1)
    return crypto_error("a certificate could not be made");
  TROUPE_TRY(extend(x, issuer->get(), NID_basic_constraints, "critical,CA:FALSE"));
  TROUPE_TRY(extend(x, issuer->get(), NID_key_usage, "critical,digitalSignature"));
  TROUPE_TRY(extend(x, issuer->get(), NID_ext_key_usage, usage));
  auto host = name.substr(0, name.find('~'));
  TROUPE_TRY(extend(x, issuer->get(), NID_subject_alt_name, fmt::format("DNS:{}", host)));
  if (::X509_sign(x, issuer_key->get(), ::EVP_sha256()) == 0)
    return crypto_error("a certificate could not be signed");
  return pem_of(x);
}

std::string digest_of(const unsigned char* bytes, int size) {
  return sha256_hex({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
}

}  // namespace

Result<void> check_node_name(std::string_view name) {
  bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 128 && (std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-');
  });
  if (plain && !name.empty() && name.size() <= 56 && name != head_name) return ok();
  return Error{Errc::invalid, fmt::format("\"{}\" cannot name a worker", name.substr(0, 80)),
               "names are of letters, digits, '.', '_' and '-', up to 56, and not \"head\"",
               "give another with --name"};
}

Result<Identity> make_authority(Timestamp now) {
  auto key = make_key();
  if (!key) return std::move(key).error();
  auto made = blank(key->get(), "troupe cluster " + hex(random_bytes(4)), now);
  if (!made) return std::move(made).error();
  auto* x = made->get();
  if (::X509_set_issuer_name(x, ::X509_get_subject_name(x)) != 1)
    return crypto_error("a certificate could not be made");
  TROUPE_TRY(extend(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  TROUPE_TRY(extend(x, x, NID_key_usage, "critical,keyCertSign"));
  TROUPE_TRY(extend(x, x, NID_subject_key_identifier, "hash"));
  if (::X509_sign(x, key->get(), ::EVP_sha256()) == 0)
    return crypto_error("a certificate could not be signed");
  auto key_pem = pem_of(key->get());
  if (!key_pem) return std::move(key_pem).error();
  auto pem = pem_of(x);
  if (!pem) return std::move(pem).error();
  return Identity{std::move(*key_pem), std::move(*pem)};
}

Result<Identity> make_head_identity(const Identity& authority, Timestamp now) {
  auto key = make_key();
  if (!key) return std::move(key).error();
  auto certificate = issue(authority, key->get(), head_name, "serverAuth", now);
  if (!certificate) return std::move(certificate).error();
  auto pem = pem_of(key->get());
  if (!pem) return std::move(pem).error();
  return Identity{std::move(*pem), std::move(*certificate)};
}

Result<KeyRequest> make_key_request() {
  auto key = make_key();
  if (!key) return std::move(key).error();
  Request request{::X509_REQ_new()};
  if (::X509_REQ_set_pubkey(request.get(), key->get()) != 1 ||
      ::X509_REQ_sign(request.get(), key->get(), ::EVP_sha256()) == 0)
    return crypto_error("no request for a certificate could be made");
  Bio bio{::BIO_new(::BIO_s_mem())};
  if (::PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1)
    return crypto_error("no request for a certificate could be made");
  auto pem = pem_of(key->get());
  if (!pem) return std::move(pem).error();
  return KeyRequest{std::move(*pem), text_of(bio.get())};
}

Result<std::string> sign_worker(const Identity& authority, const std::string& request,
                                std::string_view name, Timestamp now, uint32_t generation) {
  TROUPE_TRY(check_node_name(name));
  auto read = read_request(request);
  if (!read) return std::move(read).error();
  return issue(authority, ::X509_REQ_get0_pubkey(read->get()),
               common_name({std::string{name}, generation}), "clientAuth,serverAuth", now);
}

std::string common_name(const WorkerSubject& subject) {
  return subject.generation == 0 ? subject.name
                                 : fmt::format("{}~{}", subject.name, subject.generation);
}

Result<WorkerSubject> parse_common_name(std::string_view text) {
  auto tilde = text.find('~');
  WorkerSubject subject{std::string{text.substr(0, tilde)}, 0};
  TROUPE_TRY(check_node_name(subject.name));
  if (tilde == std::string_view::npos) return subject;
  auto digits = text.substr(tilde + 1);
  auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), subject.generation);
  if (code == std::errc{} && common_name(subject) == text) return subject;
  return Error{Errc::refused, "a certificate has an odd name", std::string{text.substr(0, 80)},
               "join the worker again with a new token"};
}

Result<std::string> fingerprint(const std::string& certificate) {
  auto read = read_certificate(certificate);
  if (!read) return std::move(read).error();
  unsigned char* der = nullptr;
  auto size = ::i2d_X509(read->get(), &der);
  if (size <= 0) return crypto_error("a certificate cannot be read");
  auto digest = digest_of(der, size);
  ::OPENSSL_free(der);
  return digest;
}

Result<std::string> key_digest(const std::string& request) {
  auto read = read_request(request);
  if (!read) return std::move(read).error();
  unsigned char* der = nullptr;
  auto size = ::i2d_PUBKEY(::X509_REQ_get0_pubkey(read->get()), &der);
  if (size <= 0) return crypto_error("a request for a certificate cannot be read");
  auto digest = digest_of(der, size);
  ::OPENSSL_free(der);
  return digest;
}

Result<std::string> verified_name(const std::string& certificate, const std::string& authority) {
  auto read = read_certificate(certificate);
  if (!read) return std::move(read).error();
  auto issuer = read_certificate(authority);
  if (!issuer) return std::move(issuer).error();
  if (::X509_verify(read->get(), ::X509_get0_pubkey(issuer->get())) != 1) {
    ::ERR_clear_error();
    return Error{Errc::refused, "a certificate is of another cluster",
                 "it was not signed by this authority", "join the worker again with a new token"};
  }
  char name[256] = {};
  if (::X509_NAME_get_text_by_NID(::X509_get_subject_name(read->get()), NID_commonName, name,
                                  sizeof name) <= 0)
    return crypto_error("a certificate has no name");
  std::string_view text{name};
  if (text == head_name) return std::string{text};
  auto subject = parse_common_name(text);
  if (!subject) return std::move(subject).error();
  return std::move(subject->name);
}

}  // namespace troupe::cluster
