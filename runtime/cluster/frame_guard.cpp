#include "runtime/cluster/frame_guard.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cluster {

namespace {

enum Operation : uint8_t {
  server_handshake = 0,
  client_handshake = 1,
  direct_message = 2,
  routed_message = 3,
  monitor_message = 4,
  down_message = 5,
  heartbeat = 6,
};

// The receiver is named, not numbered: this is how spawn and config services are reached.
constexpr uint8_t named_receiver = 1;

uint8_t byte_at(const std::string& head, size_t at) {
  return static_cast<uint8_t>(head[at]);
}

Operation operation(const std::string& head) {
  return static_cast<Operation>(byte_at(head, 0));
}

uint8_t flags(const std::string& head) {
  return byte_at(head, 3);
}

uint32_t payload_bytes(const std::string& head) {
  return uint32_t{byte_at(head, 4)} << 24 | uint32_t{byte_at(head, 5)} << 16 |
         uint32_t{byte_at(head, 6)} << 8 | uint32_t{byte_at(head, 7)};
}

bool names_its_node(Operation op) {
  return op == server_handshake || op == client_handshake || op == monitor_message ||
         op == down_message;
}

Error bad(std::string detail) {
  return Error{Errc::refused, "a frame of the peer was refused", std::move(detail),
               "is it a node of this version of troupe?"};
}

}  // namespace

/// Bytes needed to judge the frame at hand.
size_t FrameGuard::wanted() const {
  if (!header_checked_ || !names_its_node(operation(head_))) return header_bytes;
  return header_bytes + node_id_bytes;
}

Result<void> FrameGuard::check_header() {
  auto op = operation(head_);
  auto length = payload_bytes(head_);
  if (op > heartbeat || op == routed_message)
    return bad(fmt::format("operation {} is none that nodes use", static_cast<int>(op)));
  if (length > payload_bytes_max)
    return bad(fmt::format("it announces {} bytes; {} are the most", length, payload_bytes_max));
  if (op == heartbeat ? length != 0 : length == 0)
    return bad(fmt::format("operation {} with {} bytes", static_cast<int>(op), length));
  auto first = from_ == From::worker ? client_handshake : server_handshake;
  if (node_id_.empty() && op != first) return bad("it does not begin with a handshake");
  if (op == server_handshake && !node_id_.empty()) return bad("a second handshake as a head");
  if (names_its_node(op) && length < node_id_bytes) return bad("it does not say of which node");
  return ok();
}

/// A node speaks for itself alone.
Result<void> FrameGuard::check_identity() {
  if (!names_its_node(operation(head_))) return ok();
  auto id = std::string_view{head_}.substr(header_bytes, node_id_bytes);
  if (node_id_.empty()) node_id_ = id;
  return id == node_id_ ? ok() : bad("it speaks for another node");
}

Result<void> FrameGuard::pass(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    if (payload_left_ > 0) {
      auto count = std::min<size_t>(payload_left_, bytes.size());
      if (!dropping_) out.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      payload_left_ -= static_cast<uint32_t>(count);
      continue;
    }
    auto count = std::min(wanted() - head_.size(), bytes.size());
    head_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    if (head_.size() < wanted()) return ok();
    if (!header_checked_) {
      TROUPE_TRY(check_header());
      header_checked_ = true;
      if (head_.size() < wanted()) continue;
    }
    TROUPE_TRY(check_identity());
    payload_left_ = payload_bytes(head_) - static_cast<uint32_t>(head_.size() - header_bytes);
    dropping_ = operation(head_) == direct_message && (flags(head_) & named_receiver) != 0;
    if (dropping_)
      ++dropped_;
    else
      out += head_;
    head_.clear();
    header_checked_ = false;
  }
  return ok();
}

}  // namespace troupe::cluster
