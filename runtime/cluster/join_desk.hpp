// The head's authority as it lies on disk, and what it is for: making join tokens and giving
// certificates for them. Below <dir>/cluster:
//
//   authority.key  authority.pem  head.key  head.pem  token.secret  used-tokens  removed
//
// Readable by the owner alone; made at the first start. Safe from any thread.
#pragma once

#include "runtime/cluster/certificates.hpp"
#include "runtime/cluster/join_token.hpp"
#include "runtime/cluster/link_protocol.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::cluster {

class JoinDesk {
 public:
  static Result<std::shared_ptr<JoinDesk>> open(const std::string& dir,
                                                std::shared_ptr<Clock> clock);

  const std::string& authority() const { return authority_.certificate; }
  const Identity& head() const { return head_; }

  /// What tokens say: HOST:PORT of the cluster port.
  void set_address(std::string address);
  std::string make_token(Duration life);
  /// The certificate for a machine with a good token. Durable before it is answered.
  Result<std::string> join(const JoinRequest& request);
  /// Takes back every certificate given under this name so far. Durable when answered; the name may
  /// join anew, with a new token.
  Result<void> remove(const std::string& name);
  /// The name of a worker whose verified certificate has this common name; refused where it was
  /// taken back.
  Result<std::string> admit(const std::string& common_name);

 private:
  JoinDesk(std::string dir, std::shared_ptr<Clock> clock, Identity authority, Identity head,
           std::string secret, std::string fingerprint);

  std::string dir_;
  std::shared_ptr<Clock> clock_;
  Identity authority_;
  Identity head_;
  std::string fingerprint_;
  std::mutex mutex_;
  std::string address_;
  JoinTokens tokens_;
  std::map<std::string, uint32_t> removed_;  // by name: how often
};

/// An identity as `<path>.key` and `<path>.pem`; not_found where there is none.
Result<Identity> read_identity(const std::string& path);
/// The key first: a certificate without its key would be of no use.
Result<void> write_identity(const std::string& path, const Identity& identity);

}  // namespace troupe::cluster
