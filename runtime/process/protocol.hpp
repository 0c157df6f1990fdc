// What the launcher and its client say to each other, in frames:
//   u32 length of the rest | u8 version | u8 type | body
// A frame that is too long, of another version or cut in the middle of a field ends the connection.
#pragma once

#include "runtime/process/codec.hpp"
#include "runtime/process/launcher.hpp"

#include <string>
#include <string_view>

namespace troupe::process {

inline constexpr uint8_t protocol_version = 1;
/// 1,024 processes with an environment of 16 KiB each fit; more is no sane request.
inline constexpr size_t frame_bytes_max = 16u << 20;

enum class FrameType : uint8_t {
  // client to launcher
  start = 1,  // RunRequest
  stop,       // key, i64 milliseconds of grace
  forget,     // key
  shutdown,   // u8 force
  renew,      // i64 nanoseconds, monotonic: until then
  // launcher to client
  snapshot = 64,  // u8 last, u32 count, RunStatus...: first after every connection
  started,        // RunStatus
  ended,          // RunStatus
  logged,         // key, u64 bytes
  closing,        // u8 accepted, Error: the answer to shutdown
  stuck,          // RunStatus
};

struct Frame {
  FrameType type{};
  std::string_view body;  // into the splitter's buffer, good until its next call
};

void encode(Encoder& out, const Error& error);
void encode(Encoder& out, const RunRequest& request);
void encode(Encoder& out, const RunStatus& status);
void decode(Decoder& in, Error& error);
void decode(Decoder& in, RunRequest& request);
void decode(Decoder& in, RunStatus& status);

std::string frame(FrameType type, std::string_view body);
template <class T>
std::string frame_of(FrameType type, const T& body) {
  Encoder out;
  encode(out, body);
  return frame(type, out.bytes());
}

/// Cuts a stream of bytes into frames.
class FrameSplitter {
 public:
  void add(std::string_view bytes);
  /// True and a frame; false where more bytes are needed; an error where the stream is garbage.
  Result<bool> next(Frame& frame);

 private:
  std::string buffer_;
  size_t begin_ = 0;
};

/// Whether this could be run at all: sizes and characters, nothing of the machine.
Result<void> check(const RunRequest& request);

}  // namespace troupe::process
