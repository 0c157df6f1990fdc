// Code snapshots: what is missing, blobs and manifests.
#include "client/api/convert.hpp"
#include "client/api/digests.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "client/api/send_file.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>

namespace troupe::api {

namespace {

// A manifest has at most limits::code_files_max lines, each usually below 200 bytes.
constexpr size_t manifest_bytes_max = 32u << 20;

kj::Promise<void> missing(Exchange& x) {
  auto digests = digests_from(x.body, limits::code_files_max);
  if (!digests) return x.send_error(digests.error());
  return send_missing(x, x.service().missing_blobs(x.caller, std::move(*digests)));
}

kj::Promise<void> put_blob(Exchange& x) {
  auto name = digest_from(x.captures[0]);
  if (!name) return x.send_error(name.error());
  return x.service()
      .put_blob(x.caller, std::move(*name), std::move(x.body))
      .then([&x](Result<void>&& done) {
        return done ? x.send_nothing() : x.send_error(done.error());
      });
}

kj::Promise<void> get_blob(Exchange& x) {
  auto name = digest_from(x.captures[0]);
  if (!name) return x.send_error(name.error());
  return send_file(x, [&x, name = *name](uint64_t offset, uint32_t limit) {
    return kj::Promise<Result<FileChunk>>(x.service().get_blob(x.caller, name, offset, limit));
  });
}

kj::Promise<void> put_manifest(Exchange& x) {
  return x.service()
      .put_manifest(x.caller, std::move(x.body))
      .then([&x](Result<std::string>&& done) {
        if (!done) return x.send_error(done.error());
        capnp::MallocMessageBuilder message;
        auto out = message.initRoot<wire::Digest>();
        set_text(*done, [&](auto text) { out.setDigest(text); });
        return x.send_json(out.asReader(), 201);
      });
}

kj::Promise<void> get_manifest(Exchange& x) {
  auto name = digest_from(x.captures[0]);
  if (!name) return x.send_error(name.error());
  auto text = x.service().get_manifest(x.caller, *name);
  if (!text) return x.send_error(text.error());
  return x.send_bytes(std::move(*text), "application/x-ndjson");
}

}  // namespace

void add_code_routes(std::vector<Route>& routes) {
  auto get = kj::HttpMethod::GET;
  auto post = kj::HttpMethod::POST;
  routes.push_back({post,
                    "/api/v1/code:missing",
                    missing,
                    "Which of these files must be uploaded",
                    {},
                    capnp::Schema::from<wire::Digests>(),
                    capnp::Schema::from<wire::Missing>(),
                    "application/json",
                    digests_body_max(limits::code_files_max)});
  routes.push_back({kj::HttpMethod::PUT,
                    "/api/v1/code/blobs/{digest}",
                    put_blob,
                    "Store the bytes of one file",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "",
                    limits::http_blob_body_max});
  routes.push_back({get,
                    "/api/v1/code/blobs/{digest}",
                    get_blob,
                    "The bytes of one file",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "application/octet-stream"});
  routes.push_back({post,
                    "/api/v1/code/manifests",
                    put_manifest,
                    "Store a snapshot's manifest",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::Digest>(),
                    "application/json",
                    manifest_bytes_max});
  routes.push_back({get,
                    "/api/v1/code/manifests/{digest}",
                    get_manifest,
                    "A snapshot's manifest, JSON lines",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "application/x-ndjson"});
}

}  // namespace troupe::api
