// Frames of CAF's protocol, made by hand.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::cluster {

inline std::string frame(uint8_t operation, std::string payload, uint8_t flags = 0) {
  std::string bytes(32, '\0');
  bytes[0] = static_cast<char>(operation);
  bytes[3] = static_cast<char>(flags);
  auto length = static_cast<uint32_t>(payload.size());
  for (int i = 0; i < 4; ++i) bytes[4 + i] = static_cast<char>(length >> (24 - 8 * i));
  return bytes + payload;
}

/// A header that announces so many bytes.
inline std::string header(uint8_t operation, uint32_t length, uint8_t flags = 0) {
  auto bytes = frame(operation, "", flags);
  for (int i = 0; i < 4; ++i) bytes[4 + i] = static_cast<char>(length >> (24 - 8 * i));
  return bytes;
}

inline std::string some_node_id(char fill = 'n') {
  return std::string(32, fill);
}

}  // namespace troupe::cluster
