// A TLS 1.3 connection that blocks whoever uses it: OpenSSL straight on the socket. KJ's goes
// through 8 KiB at a time, which is a fifth of what a disk takes; blocks of datasets take this one.
// Nobody outside of the cluster is trusted. One thread at a time, but for hang_up().
#pragma once

#include "runtime/cluster/certificates.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/result.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace troupe::cluster {

/// What both sides trust and prove themselves with. Immutable once made; any thread.
class TlsSettings {
 public:
  enum class Side { client, server };
  static Result<std::shared_ptr<const TlsSettings>> make(Side side, const std::string& authority,
                                                         const Identity& identity);
  ~TlsSettings();
  TlsSettings(const TlsSettings&) = delete;
  TlsSettings& operator=(const TlsSettings&) = delete;

 private:
  friend class TlsSocket;
  TlsSettings() = default;
  ssl_ctx_st* context_ = nullptr;
};

class TlsSocket {
 public:
  /// The other side must prove itself as `peer`. `fd` is a connected, blocking socket.
  static Result<std::unique_ptr<TlsSocket>> connect(const TlsSettings& settings, UniqueFd fd,
                                                    const std::string& peer,
                                                    std::chrono::milliseconds patience);
  /// The other side must prove itself as anybody of the cluster: peer().
  static Result<std::unique_ptr<TlsSocket>> accept(const TlsSettings& settings, UniqueFd fd,
                                                   std::chrono::milliseconds patience);
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  /// The common name of its certificate.
  std::string peer() const;
  /// For each wait of read and write from here on; 0: for ever.
  void set_patience(std::chrono::milliseconds patience);
  /// Exactly so many bytes. unavailable where it hung up, timed_out where it stood still.
  Result<void> read(char* to, size_t bytes);
  Result<void> write(std::string_view bytes);
  /// Ends it for both sides: whoever waits in it is told. Any thread.
  void hang_up();

 private:
  TlsSocket(UniqueFd fd, ssl_st* session) : fd_{std::move(fd)}, session_{session} {}
  static Result<std::unique_ptr<TlsSocket>> begin(const TlsSettings& settings, UniqueFd fd,
                                                  std::chrono::milliseconds patience);
  Error failed(int result) const;

  UniqueFd fd_;
  ssl_st* session_;
};

}  // namespace troupe::cluster
