// A blocking HTTP/1.1 client for one head, over KJ: connections are kept alive, answers that carry
// an error become Error values, and long answers (logs, events, files) arrive through callbacks.
// One per thread: KJ allows one event loop a thread. Owned by whoever talks to the head.
#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::client {

/// Where a head listens. The port is 7070 where the URL names none.
struct Address {
  std::string host;  // IPv6 without brackets
  uint16_t port = 7070;
  std::string base;  // path in front of every route, without a '/' at its end; usually empty

  std::string host_header() const;
};
/// "http://head:7070", "head", "[::1]:80". https is refused: nothing in front of the head yet.
Result<Address> parse_url(std::string_view url);

/// Text as one part of a path or query, everything else than unreserved characters in %XX.
std::string url_encode(std::string_view text, bool keep_slashes = false);

struct HttpRequest {
  std::string method = "GET";
  std::string path;  // begins with '/'; with the query
  std::string body;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  Duration timeout{30'000};  // to the whole answer; of a stream: to its first line
};

struct HttpResponse {
  unsigned status = 0;
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  /// Empty where there is none. `name` in lower case.
  std::string header(std::string_view name) const;
};

/// What an answer of 400 and above says: the four parts of its body, or words for its status.
Error error_of(unsigned status, std::string_view body, std::string_view path);

struct StreamHandler {
  std::function<void(std::string_view)> bytes;
  std::function<void(Result<void>)> ended;  // once: the end, or why there will be no more
};

/// A running answer; destroying it ends it. Not to be destroyed by its own handler.
class Stream {
 public:
  virtual ~Stream() = default;
};

class HttpClient {
 public:
  HttpClient(Address address, std::string url, std::string token);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Sends and waits. An answer of 400 and above is an Error, as is a head that cannot be reached
  /// (Errc::unavailable).
  Result<HttpResponse> send(const HttpRequest& request);
  /// Sends all, at most `parallel` at a time. The first error ends it.
  Result<void> send_all(size_t count, size_t parallel,
                        const std::function<Result<HttpRequest>(size_t)>& make);

  /// Starts an answer whose handler is called while `pump` or `send` run.
  std::unique_ptr<Stream> open(const HttpRequest& request, StreamHandler handler);
  /// Runs until a handler was called, the time is over or somebody interrupted.
  void pump(Duration timeout);

  /// From now on, a byte that can be read from `fd` ends every wait. The descriptor stays the
  /// caller's.
  void interrupt_on(int fd);
  bool interrupted() const;

 private:
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace troupe::client
