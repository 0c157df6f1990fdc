// Little-endian bytes for the launcher's socket and journal. Reading never goes past the end: the
// first bad field makes the decoder bad for good, and the caller asks once, at the end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace troupe::process {

class Encoder {
 public:
  template <class T>
  void number(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof bytes);
  }
  void text(std::string_view bytes) {
    number(static_cast<uint32_t>(bytes.size()));
    out_.append(bytes);
  }
  std::string take() { return std::move(out_); }
  const std::string& bytes() const { return out_; }

 private:
  std::string out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_{bytes} {}

  template <class T>
  T number() {
    T value{};
    if (!good_ || rest_.size() < sizeof value) {
      good_ = false;
      return T{};
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    auto size = number<uint32_t>();
    if (!good_ || rest_.size() < size) {
      good_ = false;
      return {};
    }
    std::string value{rest_.substr(0, size)};
    rest_.remove_prefix(size);
    return value;
  }
  /// How many elements follow, each of at least `bytes_each`: a count that cannot be true is bad
  /// before anything is allocated for it.
  uint32_t count(size_t bytes_each) {
    auto value = number<uint32_t>();
    if (!good_ || value > rest_.size() / bytes_each) {
      good_ = false;
      return 0;
    }
    return value;
  }
  void fail() { good_ = false; }
  /// Everything was there, and nothing more.
  bool complete() const { return good_ && rest_.empty(); }
  bool good() const { return good_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace troupe::process
