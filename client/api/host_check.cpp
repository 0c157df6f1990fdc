// Against DNS rebinding and requests from other sites' pages.
#include "client/api/http_service.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>

namespace troupe::api {

namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// "[::1]:80" -> "::1", "name:80" -> "name".
std::string without_port(std::string_view host) {
  if (host.starts_with('[')) {
    auto close = host.find(']');
    return close == std::string_view::npos ? std::string{} : std::string{host.substr(1, close - 1)};
  }
  return std::string{host.substr(0, host.find(':'))};
}

bool is_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

}  // namespace

bool host_is_ours(std::string_view host, const ServerOptions& options) {
  auto name = without_port(lower(host));
  if (name.empty()) return false;
  if (name == "localhost" || is_address(name) || name == lower(options.address)) return true;
  return std::any_of(options.allowed_hosts.begin(), options.allowed_hosts.end(),
                     [&](const auto& allowed) { return lower(allowed) == name; });
}

bool origin_is_ours(std::string_view origin, std::string_view host) {
  auto scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;
  return lower(origin.substr(scheme + 3)) == lower(host);
}

}  // namespace troupe::api
