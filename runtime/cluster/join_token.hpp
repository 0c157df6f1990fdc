// Join tokens: with one of these, and for a short time, a machine that the head does not know yet
// gets a worker's certificate. A token names the head's address, the fingerprint of its authority
// (so the worker knows whom it talks to before it says anything), a number, the end of its life and
// a proof that only the head can make. Each works for one key: whoever has it later cannot use it.
// The head keeps the numbers of used tokens until they would have expired. Pure; one thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"

#include <map>
#include <string>
#include <string_view>

namespace troupe::cluster {

struct JoinToken {
  std::string address;      // HOST:PORT of the head
  std::string fingerprint;  // of the cluster's authority
  std::string number;
  int64_t expires_s = 0;  // since 1970, by the head's clock
  std::string proof;
};

/// One word, without spaces.
std::string to_string(const JoinToken& token);
Result<JoinToken> parse_join_token(std::string_view text);

class JoinTokens {
 public:
  explicit JoinTokens(std::string secret) : secret_{std::move(secret)} {}

  JoinToken make(std::string address, std::string fingerprint, Timestamp now, Duration life) const;
  /// Whether a machine with this key may have a certificate; then the token is used up. The same
  /// key may ask again: its answer may have been lost. Save `used` before the certificate leaves.
  Result<void> redeem(const JoinToken& token, const std::string& key_digest, Timestamp now);

  /// What has been used, as text that survives the head; and back. Unreadable lines are left out.
  std::string used() const;
  void restore(std::string_view used);

 private:
  struct Use {
    int64_t expires_s = 0;
    std::string key_digest;
  };

  std::string prove(std::string_view number, int64_t expires_s) const;

  std::string secret_;
  std::map<std::string, Use> used_;  // by number
};

}  // namespace troupe::cluster
