// Values by path over HTTP, as Horovod's Gloo finds its ranks: PUT, GET (404 until there is one)
// and DELETE of /scope/key, bytes as they are, a connection for each. Nothing in it proves who
// asks, so whoever serves it looks where a request comes from. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::comm {

class HttpValues {
 public:
  /// The answer to a request, as it goes over the wire. Nothing: more of it is to come.
  std::optional<std::string> answer(std::string_view request);

 private:
  std::string carry_out(std::string_view method, const std::string& path, std::string_view body);

  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  size_t bytes_ = 0;
};

}  // namespace troupe::comm
