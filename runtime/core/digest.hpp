// SHA-256, random bytes and hexadecimal: content addresses and tokens.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace troupe {

std::string hex(std::string_view bytes);
/// SHA-256 as 64 hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
/// Whether it is written as sha256_hex writes one: 64 hexadecimal digits in lower case.
bool is_digest(std::string_view text);
/// HMAC-SHA-256 as 64 hexadecimal digits.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);
/// From the kernel's generator.
std::string random_bytes(size_t count);
/// Same length and content, in a time that does not depend on where they differ.
bool equal_constant_time(std::string_view a, std::string_view b);

/// SHA-256 of a stream of pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(std::string_view bytes);
  /// 64 hexadecimal digits; ends the stream.
  std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace troupe
