// What admins do with a cluster.
#include "client/cpp/client.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe::client {

/// A request whose answer is that it is done.
Result<void> Client::tell(const std::string& path, const Value& body) {
  HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = body.is_null() ? "" : json_text(body);
  if (!body.is_null()) request.content_type = "application/json";
  if (auto answer = http_.send(request); !answer) return std::move(answer).error();
  return ok();
}

Result<void> Client::change_node(const std::string& node, const std::string& what) {
  return tell(fmt::format("/api/v1/nodes/{}:{}", url_encode(node), what), {});
}

Result<void> Client::label_node(const std::string& node, const ValueMap& labels) {
  return tell(fmt::format("/api/v1/nodes/{}:label", url_encode(node)),
              Value{ValueMap{{"labels", labels}}});
}

Result<std::string> Client::join_token(uint64_t life_s) {
  auto answer = post(fmt::format("/api/v1/tokens/join?life_s={}", life_s), {});
  if (!answer) return std::move(answer).error();
  const auto* token = answer->find("token");
  if (token == nullptr || !token->is_string())
    return Error{Errc::bug, "the head's answer has no token", "", "please report this"};
  return token->as_string();
}

}  // namespace troupe::client
