// Digests in requests: code files and blocks of datasets are named by them. KJ thread.
#pragma once

#include "client/api/exchange.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

/// invalid unless it is 64 hexadecimal digits in lower case.
Result<std::string> digest_from(std::string_view text);
/// Those of a body {digests: [...]}, at most `most`.
Result<std::vector<std::string>> digests_from(const std::string& body, size_t most);
/// Answers {missing: [...]}.
kj::Promise<void> send_missing(Exchange& x, const Result<std::vector<std::string>>& missing);
/// Room for a body of so many digests: each has 64 digits, quotes and a comma.
constexpr size_t digests_body_max(size_t most) {
  return most * 68 + 1024;
}

}  // namespace troupe::api
