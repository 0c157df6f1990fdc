// What is pushed from elsewhere: fetched to the user's cache folder first, where a push that broke
// off finds what it had. http, https, and objects or whole prefixes of S3. Blocking.
#pragma once

#include "client/cpp/fetch_url.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::client {

/// Whether it lies elsewhere: http://, https:// and s3://. Other words with "://" but file:// are
/// errors of local_source.
bool is_remote(std::string_view source);
/// A path, or what file:// says of one. invalid for schemes that nobody knows.
Result<std::string> local_source(std::string_view source);
/// How a source is written down: without the credentials and the query that a URL may carry.
std::string shown_source(const std::string& source);

struct LocalCopy {
  std::string path;    // a file under its own name, or a folder
  std::string folder;  // of all that belongs to it
};
/// `progress` is told the bytes that came since it was told last, on any thread; false ends it.
/// conflict where somebody else fetches the same.
Result<LocalCopy> fetch_source(const std::string& url,
                               const std::function<bool(uint64_t bytes)>& progress);
/// It is not needed any more.
void drop_copy(const LocalCopy& copy);

}  // namespace troupe::client
