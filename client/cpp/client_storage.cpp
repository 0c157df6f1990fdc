// What lies on disks, over the HTTP API.
#include "client/cpp/client.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe::client {

namespace {

// The head reads everything, or walks through it; so do its nodes.
constexpr Duration storage_timeout{24 * 3600 * 1000};

HttpRequest long_post(std::string path, const ValueMap& body) {
  HttpRequest request;
  request.method = "POST";
  request.path = std::move(path);
  request.body = json_text(Value{body});
  request.content_type = "application/json";
  request.timeout = storage_timeout;
  return request;
}

}  // namespace

Result<Value> Client::store_use(bool head_only) {
  HttpRequest request;
  request.path = fmt::format("/api/v1/storage?head_only={}", head_only ? "true" : "false");
  request.timeout = storage_timeout;
  return ask(request);
}

Result<Value> Client::check_store(bool repair, bool nodes) {
  return ask(long_post("/api/v1/storage:check", {{"repair", repair}, {"nodes", nodes}}));
}

Result<Value> Client::collect_store(bool dry_run, const std::optional<Duration>& older_than) {
  ValueMap body{{"dry_run", dry_run}};
  if (older_than) body["older_than"] = static_cast<int64_t>(older_than->count());
  return ask(long_post("/api/v1/storage:collect", body));
}

}  // namespace troupe::client
