// The cluster's own certificates: one authority, made by the head; one certificate for the head,
// and one for each worker, whose common name is the worker's name. Elliptic keys; nobody outside
// the cluster is trusted, and no name is looked up. Pure but for randomness; any thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"

#include <string>
#include <string_view>

namespace troupe::cluster {

/// What a node proves itself with. PEM texts; the key never leaves the node it was made on.
struct Identity {
  std::string key;
  std::string certificate;
};

/// The name in the certificate of every head: workers dial addresses, and expect this name.
inline constexpr std::string_view head_name = "head";

/// Letters, digits, '.', '_' and '-', up to 56; not "head".
Result<void> check_node_name(std::string_view name);

Result<Identity> make_authority(Timestamp now);
/// The head's own identity under its authority.
Result<Identity> make_head_identity(const Identity& authority, Timestamp now);

struct KeyRequest {
  std::string key;
  std::string request;  // to be signed by the authority
};
/// Of a worker that wants a certificate.
Result<KeyRequest> make_key_request();
/// The certificate of worker `name` for the key of that request, whatever name the request says.
Result<std::string> sign_worker(const Identity& authority, const std::string& request,
                                std::string_view name, Timestamp now, uint32_t generation = 0);

/// Whom a worker's certificate is for. Its common name is "w1", or "w1~2" where certificates of
/// that name were taken back twice before: older generations are refused then.
struct WorkerSubject {
  std::string name;
  uint32_t generation = 0;
};
std::string common_name(const WorkerSubject& subject);
/// refused for what no authority of ours signs.
Result<WorkerSubject> parse_common_name(std::string_view text);

/// SHA-256 of a certificate, 64 hexadecimal digits: what a join token pins.
Result<std::string> fingerprint(const std::string& certificate);
/// SHA-256 of the public key in a request.
Result<std::string> key_digest(const std::string& request);
/// Whether the certificate was signed by the authority, and for which name (without generation).
Result<std::string> verified_name(const std::string& certificate, const std::string& authority);

}  // namespace troupe::cluster
