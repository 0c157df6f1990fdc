// What nodes say to each other before CAF's protocol begins. A connection opens with eight bytes in
// clear that say what it wants; then TLS begins; then both sides say one short JSON text each.
//
//   join:  "TROUPEJ\n"  <- the authority's certificate, which the token's fingerprint must match
//                       TLS, the head alone proves itself;  -> JoinRequest  <- certificate or error
//   link:  "TROUPEL\n"  TLS, both prove themselves;         -> LinkHello    <- LinkHello or error
//                       then CAF's frames, both ways
//   bulk:  "TROUPEA\n" or "TROUPES\n": the dialler asks, or serves. As link; then the frames of
//                       bulk_protocol.hpp
//
// The eight bytes and the names of these members never change, so that versions that cannot talk
// can still say so. Pure.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::cluster {

inline constexpr size_t opening_bytes = 8;
inline constexpr std::string_view join_opening = "TROUPEJ\n";
inline constexpr std::string_view link_opening = "TROUPEL\n";
inline constexpr std::string_view bulk_ask_opening = "TROUPEA\n";
inline constexpr std::string_view bulk_serve_opening = "TROUPES\n";
/// Of one text before CAF's frames; certificates are about a kilobyte.
inline constexpr size_t greeting_bytes_max = 16u << 10;

/// How a node introduces itself; the name is the one in its certificate.
struct LinkHello {
  uint32_t protocol = 0;
  std::string version;
  std::string instance;  // random, new with every start of the process
  int64_t time_us = 0;   // by its clock
  std::string url;       // of a head: its API
};

struct JoinRequest {
  LinkHello hello;
  std::string name;
  std::string token;
  std::string key_request;
};

std::string to_json(const LinkHello& hello);
Result<LinkHello> parse_link_hello(std::string_view json);
std::string to_json(const JoinRequest& request);
Result<JoinRequest> parse_join_request(std::string_view json);
/// The head's answer to a join: the certificate.
std::string certificate_json(const std::string& certificate);
Result<std::string> parse_certificate_answer(std::string_view json);
/// In place of any answer.
std::string error_json(const Error& error);

/// Nodes of different protocols refuse each other; both versions are named.
Result<void> check_protocol(const LinkHello& worker, const std::string& worker_name,
                            const LinkHello& head);

/// "24 h behind", where two clocks differ by more than a minute; otherwise empty.
std::string skew_text(int64_t theirs_us, int64_t ours_us);

}  // namespace troupe::cluster
