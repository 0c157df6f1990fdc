// Datasets: blocks, versions, tags.
#include "client/api/convert.hpp"
#include "client/api/digests.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "client/api/send_file.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>
#include <fmt/format.h>

#include <charconv>

namespace troupe::api {

namespace {

// A question of 10,000 is 10 GB of blocks: whoever has more asks again.
constexpr size_t digests_max = 10'000;
// Four million files with ordinary names.
constexpr size_t manifest_bytes_max = 512u << 20;

kj::Promise<void> missing(Exchange& x) {
  auto digests = digests_from(x.body, digests_max);
  if (!digests) return x.send_error(digests.error());
  return send_missing(x, x.service().missing_blocks(x.caller, *digests));
}

kj::Promise<void> put_block(Exchange& x) {
  auto name = digest_from(x.captures[0]);
  if (!name) return x.send_error(name.error());
  return x.service()
      .put_block(x.caller, std::move(*name), std::move(x.body))
      .then([&x](Result<void>&& done) {
        return done ? x.send_nothing() : x.send_error(done.error());
      });
}

kj::Promise<void> get_block(Exchange& x) {
  auto name = digest_from(x.captures[0]);
  if (!name) return x.send_error(name.error());
  return send_file(x, [&x, name = *name](uint64_t offset, uint32_t limit) {
    return kj::Promise<Result<FileChunk>>(x.service().get_block(x.caller, name, offset, limit));
  });
}

kj::Promise<void> list(Exchange& x) {
  auto limit = x.number("limit", limits::page_max, limits::page_max);
  if (!limit) return x.send_error(limit.error());
  auto listing =
      x.service().datasets(x.caller, static_cast<uint32_t>(*limit), x.text("page_token"));
  if (!listing) return x.send_error(listing.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::DatasetListing>();
  auto versions = out.initDatasets(static_cast<uint32_t>(listing->versions.size()));
  for (uint32_t i = 0; i < listing->versions.size(); ++i)
    set_dataset(versions[i], listing->versions[i]);
  set_text(listing->next_page_token, [&](auto text) { out.setNextPageToken(text); });
  return x.send_json(out.asReader());
}

kj::Promise<void> show(Exchange& x) {
  auto view = x.service().dataset(x.caller, x.captures[0]);
  if (!view) return x.send_error(view.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::DatasetView>();
  set_text(x.captures[0], [&](auto text) { out.setName(text); });
  auto versions = out.initVersions(static_cast<uint32_t>(view->versions.size()));
  for (uint32_t i = 0; i < view->versions.size(); ++i) set_dataset(versions[i], view->versions[i]);
  auto tags = out.initTags(static_cast<uint32_t>(view->tags.size()));
  uint32_t at = 0;
  for (const auto& [tag, version] : view->tags) {
    set_text(tag, [&, one = tags[at]](auto text) mutable { one.setTag(text); });
    tags[at++].setVersion(version);
  }
  return x.send_json(out.asReader());
}

kj::Promise<void> send_version(Exchange& x, const Result<DatasetVersion>& version) {
  constexpr uint32_t created = 201;
  if (!version) return x.send_error(version.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::DatasetVersion>();
  set_dataset(out, *version);
  return x.send_json(out.asReader(), created);
}

kj::Promise<void> show_version(Exchange& x) {
  auto version = x.service().dataset_version(x.caller, x.captures[0], x.captures[1]);
  if (!version) return x.send_error(version.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::DatasetVersion>();
  set_dataset(out, *version);
  auto nodes = x.service().dataset_nodes(x.caller, version->digest);
  auto list = out.initNodes(static_cast<uint32_t>(nodes.size()));
  for (uint32_t i = 0; i < nodes.size(); ++i) set_cached(list[i], nodes[i]);
  return x.send_json(out.asReader());
}

kj::Promise<void> warm(Exchange& x) {
  std::vector<std::string> nodes;
  if (!x.body.empty()) {
    capnp::MallocMessageBuilder request;
    auto in = request.initRoot<wire::DatasetWarm>();
    if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
    for (auto node : in.asReader().getNodes()) nodes.push_back(from_text(node));
  }
  return x.service()
      .warm_dataset(x.caller, x.captures[0], x.captures[1], std::move(nodes))
      .then([&x](Result<std::vector<CachedVersion>>&& where) {
        if (!where) return x.send_error(where.error());
        capnp::MallocMessageBuilder message;
        auto list = message.initRoot<wire::CachedVersions>().initNodes(
            static_cast<uint32_t>(where->size()));
        for (uint32_t i = 0; i < where->size(); ++i) set_cached(list[i], (*where)[i]);
        return x.send_json(message.getRoot<wire::CachedVersions>().asReader());
      });
}

kj::Promise<void> manifest(Exchange& x) {
  auto bytes = x.service().dataset_manifest(x.caller, x.captures[0], x.captures[1]);
  if (!bytes) return x.send_error(bytes.error());
  return x.send_bytes(std::move(*bytes), "application/octet-stream");
}

kj::Promise<void> push(Exchange& x) {
  DatasetPush push;
  push.name = x.captures[0];
  push.manifest = std::move(x.body);
  push.source = x.text("source");
  push.from = x.text("from");
  push.tag = x.text("tag");
  return x.service()
      .push_dataset(x.caller, std::move(push))
      .then([&x](Result<DatasetVersion>&& version) { return send_version(x, version); });
}

kj::Promise<void> drop(Exchange& x) {
  const auto& text = x.captures[1];
  uint32_t version = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (code != std::errc{} || end != text.data() + text.size() || version == 0)
    return x.send_error(Error{Errc::invalid, "the version could not be read", text.substr(0, 80),
                              "what is removed is named by its number"});
  return x.service().drop_dataset(x.caller, x.captures[0], version).then([&x](Result<void>&& done) {
    return done ? x.send_nothing() : x.send_error(done.error());
  });
}

kj::Promise<void> tag(Exchange& x) {
  capnp::MallocMessageBuilder request;
  auto in = request.initRoot<wire::DatasetTag>();
  if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  return x.service()
      .tag_dataset(x.caller, x.captures[0], from_text(in.asReader().getTag()), in.getVersion())
      .then([&x](Result<void>&& done) {
        return done ? x.send_nothing() : x.send_error(done.error());
      });
}

}  // namespace

void add_dataset_routes(std::vector<Route>& routes) {
  auto get = kj::HttpMethod::GET;
  auto post = kj::HttpMethod::POST;
  routes.push_back({post,
                    "/api/v1/data:missing",
                    missing,
                    "Which of these blocks must be uploaded",
                    {},
                    capnp::Schema::from<wire::Digests>(),
                    capnp::Schema::from<wire::Missing>(),
                    "application/json",
                    digests_body_max(digests_max)});
  routes.push_back({kj::HttpMethod::PUT,
                    "/api/v1/data/blocks/{digest}",
                    put_block,
                    "Store a block",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "",
                    limits::http_blob_body_max});
  routes.push_back({get,
                    "/api/v1/data/blocks/{digest}",
                    get_block,
                    "The bytes of a block",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "application/octet-stream"});
  routes.push_back({get,
                    "/api/v1/datasets",
                    list,
                    "The newest version of each dataset, by name",
                    {"limit", "page_token"},
                    std::nullopt,
                    capnp::Schema::from<wire::DatasetListing>()});
  routes.push_back({get,
                    "/api/v1/datasets/{name}",
                    show,
                    "All versions and tags of a dataset",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::DatasetView>()});
  routes.push_back({post,
                    "/api/v1/datasets/{name}:tag",
                    tag,
                    "Let a tag stand for a version; version 0 removes the tag",
                    {},
                    capnp::Schema::from<wire::DatasetTag>(),
                    std::nullopt,
                    "",
                    limits::http_body_max});
  routes.push_back(
      {post,
       "/api/v1/datasets/{name}/versions",
       push,
       "Make the next version of a manifest whose blocks are stored; without a body, of the "
       "outputs of the experiment `from`",
       {"source", "from", "tag"},
       std::nullopt,
       capnp::Schema::from<wire::DatasetVersion>(),
       "application/json",
       manifest_bytes_max});
  routes.push_back({get,
                    "/api/v1/datasets/{name}/versions/{version}",
                    show_version,
                    "One version, by number or tag",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::DatasetVersion>()});
  routes.push_back({post,
                    "/api/v1/datasets/{name}/versions/{version}:warm",
                    warm,
                    "Let nodes fetch a version before any job there asks for it",
                    {},
                    capnp::Schema::from<wire::DatasetWarm>(),
                    capnp::Schema::from<wire::CachedVersions>(),
                    "application/json",
                    limits::http_body_max});
  routes.push_back({get,
                    "/api/v1/datasets/{name}/versions/{version}/manifest",
                    manifest,
                    "What a version is made of",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "application/octet-stream"});
  routes.push_back({kj::HttpMethod::DELETE,
                    "/api/v1/datasets/{name}/versions/{version}",
                    drop,
                    "Forget a version that nothing uses",
                    {},
                    std::nullopt,
                    std::nullopt,
                    ""});
}

}  // namespace troupe::api
