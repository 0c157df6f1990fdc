// The bytes of a manifest: little-endian numbers, one behind the other. Used by manifest.cpp and
// manifest_bytes.cpp alone. Pure; any thread.
#pragma once

#include "storage/dataset/manifest.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace troupe::dataset {

class ByteWriter {
 public:
  void u8(uint8_t value) { bytes_ += static_cast<char>(value); }
  void u16(uint16_t value) { number(value, 2); }
  void u32(uint32_t value) { number(value, 4); }
  void u64(uint64_t value) { number(value, 8); }
  void text(std::string_view bytes) { bytes_ += bytes; }
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  void number(uint64_t value, unsigned count) {
    for (unsigned i = 0; i < count; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  std::string bytes_;
};

/// Behind the end everything reads as zero, and ok() says so.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_{bytes} {}
  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }
  std::string_view text(uint64_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  bool ok() const { return ok_; }
  size_t left() const { return rest_.size(); }

 private:
  uint64_t number(size_t count) {
    auto bytes = text(count);
    uint64_t value = 0;
    if constexpr (std::endian::native == std::endian::little) {
      if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    } else {
      for (size_t i = bytes.size(); i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return value;
  }
  std::string_view rest_;
  bool ok_ = true;
};

/// An entry without its pieces: what tree_id covers.
void write_entry_head(ByteWriter& writer, const Entry& entry);

}  // namespace troupe::dataset
