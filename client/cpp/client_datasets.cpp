// Datasets over the HTTP API.
#include "client/cpp/client.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::client {

namespace {

// Behind the last block the head syncs all of them.
constexpr Duration push_timeout{600'000};
// Outputs come from their node to the head first.
constexpr Duration fetch_timeout{7'200'000};
constexpr Duration manifest_timeout{120'000};

std::string version_path(const std::string& name, const std::string& which) {
  return fmt::format("/api/v1/datasets/{}/versions/{}", url_encode(name), url_encode(which));
}

}  // namespace

Result<std::vector<std::string>> Client::missing_blocks(const std::vector<std::string>& digests) {
  return missing("/api/v1/data:missing", digests);
}

HttpRequest Client::block_upload(const std::string& digest, std::string bytes) {
  return upload("/api/v1/data/blocks/" + digest, std::move(bytes));
}

Result<std::string> Client::get_block(const std::string& digest) {
  HttpRequest request;
  request.path = "/api/v1/data/blocks/" + digest;
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  return std::move(answer->body);
}

Result<Value> Client::push_dataset(const DatasetPush& push) {
  HttpRequest request;
  request.method = "POST";
  request.path =
      fmt::format("/api/v1/datasets/{}/versions?source={}&from={}&tag={}", url_encode(push.name),
                  url_encode(push.source), url_encode(push.from), url_encode(push.tag));
  request.body = push.manifest;
  request.content_type = "application/octet-stream";
  request.timeout = push.manifest.empty() ? fetch_timeout : push_timeout;
  return ask(request);
}

Result<ValueList> Client::datasets() {
  ValueList all;
  std::string token;
  do {
    auto page = get("/api/v1/datasets?page_token=" + url_encode(token));
    if (!page) return std::move(page).error();
    if (const auto* list = page->find("datasets"); list != nullptr && list->is_list())
      all.insert(all.end(), list->as_list().begin(), list->as_list().end());
    const auto* next = page->find("next_page_token");
    token = next != nullptr && next->is_string() ? next->as_string() : "";
  } while (!token.empty());
  return all;
}

Result<Value> Client::dataset(const std::string& name) {
  return get("/api/v1/datasets/" + url_encode(name));
}

Result<Value> Client::dataset_version(const std::string& name, const std::string& which) {
  if (!which.empty()) return get(version_path(name, which));
  auto all = dataset(name);
  if (!all) return all;
  const auto* versions = all->find("versions");
  if (versions == nullptr || !versions->is_list() || versions->as_list().empty())
    return Error{Errc::not_found, "dataset " + name + " has no version", "",
                 "troupe data push " + name + " PATH"};
  return versions->as_list().front();
}

Result<std::string> Client::dataset_manifest(const std::string& name, const std::string& which) {
  HttpRequest request;
  request.path = version_path(name, which) + "/manifest";
  request.timeout = manifest_timeout;
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  return std::move(answer->body);
}

Result<void> Client::drop_dataset(const std::string& name, const std::string& version) {
  HttpRequest request;
  request.method = "DELETE";
  request.path = version_path(name, version);
  if (auto answer = http_.send(request); !answer) return std::move(answer).error();
  return ok();
}

Result<Value> Client::warm_dataset(const std::string& name, const std::string& version,
                                   const std::vector<std::string>& nodes) {
  ValueList named{nodes.begin(), nodes.end()};
  return post(version_path(name, version) + ":warm", Value{ValueMap{{"nodes", std::move(named)}}});
}

Result<void> Client::tag_dataset(const std::string& name, const std::string& tag,
                                 uint32_t version) {
  return tell(fmt::format("/api/v1/datasets/{}:tag", url_encode(name)),
              Value{ValueMap{{"tag", tag}, {"version", int64_t{version}}}});
}

}  // namespace troupe::client
