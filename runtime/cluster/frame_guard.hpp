// The guard: stands between the network and CAF and lets pass only frames of CAF's protocol that an
// honest node would send. CAF trusts every byte: without the guard one header of 32 bytes makes it
// allocate gigabytes or crash. One guard for each direction that comes from the network. Pure; no
// thread of its own.
#pragma once

#include "runtime/core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::cluster {

class FrameGuard {
 public:
  enum class From { worker, head };  // who sends what this guard checks

  static constexpr size_t header_bytes = 32;
  /// A node's id as CAF writes it: 8 bytes kind, 4 process id, 20 host.
  static constexpr size_t node_id_bytes = 32;
  /// Far above any message of ours, far below what could hurt.
  static constexpr uint32_t payload_bytes_max = 64u << 20;

  explicit FrameGuard(From from) : from_{from} {}

  /// Appends to `out` what of `bytes` may pass. After an error the link must be closed; `out` then
  /// ends with a whole frame or within one that was begun before.
  Result<void> pass(std::string_view bytes, std::string& out);

  /// Of the peer, from its handshake; empty before that.
  const std::string& node_id() const { return node_id_; }
  uint64_t dropped() const { return dropped_; }

 private:
  Result<void> check_header();
  Result<void> check_identity();
  size_t wanted() const;

  From from_;
  std::string head_;           // of the frame that is being judged: header and what else is needed
  uint32_t payload_left_ = 0;  // of the frame that was judged
  bool dropping_ = false;
  bool header_checked_ = false;
  std::string node_id_;
  uint64_t dropped_ = 0;
};

}  // namespace troupe::cluster
