// Files behind http and https URLs, fetched to local ones. What broke off goes on where it ended,
// where the server knows by which mark (ETag, Last-Modified) that the file is still the same.
// Blocking; any thread.
#pragma once

#include "runtime/core/result.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace troupe::client {

/// Who asks; empty: nobody in particular.
struct S3Signature {
  std::string region;
  std::string key_id, secret, session_token;
};

struct FetchUrl {
  std::string url;
  S3Signature signature;
  /// Told the bytes that came since it was told last; false ends the fetch.
  std::function<bool(uint64_t bytes)> progress = nullptr;
};

/// Brings it to `path`; `mark_path` is a file that says by which mark the bytes there go. Called
/// again, it asks for what is missing alone, and for nothing where it is whole and still the same.
/// not_found, refused and other answers of the server by their status; unavailable where the
/// connection fails again and again.
Result<void> fetch_to_file(const FetchUrl& what, const std::string& path,
                           const std::string& mark_path);
/// The same for small answers, in memory.
Result<std::string> fetch_text(const FetchUrl& what, size_t bytes_max = 64u << 20);

}  // namespace troupe::client
