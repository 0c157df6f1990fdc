// Datasets over the API: reads from the ledger and the store, changes asked of the dataset actor.
#include "actors/head/datasets.hpp"
#include "actors/head/gateway_service.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr auto write_timeout = std::chrono::seconds{60};
// Digests without a name are those of versions that were removed: they stay on nodes for long.
constexpr auto names_every = std::chrono::milliseconds{100};
// Behind the last block everything is synced: as long as the disk takes.
constexpr auto sync_timeout = std::chrono::minutes{10};
// All outputs of an experiment come from its node.
constexpr auto fetch_timeout = std::chrono::hours{2};

Result<dataset::ContentId> block_id(const std::string& digest) {
  auto id = dataset::content_id_from(digest);
  if (id) return *id;
  return Error{Errc::invalid, "this is no digest of a block", digest.substr(0, 80),
               "give 64 hexadecimal digits"};
}

Result<void> may_change(const api::Caller& caller) {
  if (!caller.job) return ok();
  return Error{Errc::refused, "a job's token may not change datasets",
               "it is good for its own experiment alone", "use your own login"};
}

}  // namespace

Result<std::vector<std::string>> GatewayService::missing_blocks(
    const api::Caller& caller, const std::vector<std::string>& digests) {
  TROUPE_TRY(may_change(caller));
  std::vector<std::string> lacking;
  for (const auto& digest : digests) {
    auto id = block_id(digest);
    if (!id) return std::move(id).error();
    if (!context_->data->blocks().touch(*id)) lacking.push_back(digest);
  }
  return lacking;
}

kj::Promise<Result<void>> GatewayService::put_block(const api::Caller& caller, std::string digest,
                                                    std::string bytes) {
  if (auto may = may_change(caller); !may) return may;
  return bridge_
      .ask<bool>(peers_.datasets, write_timeout, "an upload", store_atom_v,
                 share(std::pair{std::move(digest), std::move(bytes)}))
      .then([](Result<bool> stored) { return without_value(std::move(stored)); });
}

Result<api::FileChunk> GatewayService::get_block(const api::Caller&, const std::string& digest,
                                                 uint64_t offset, uint32_t limit) {
  auto id = block_id(digest);
  if (!id) return std::move(id).error();
  api::FileChunk chunk;
  auto size = context_->data->blocks().size(*id);
  if (!size) return std::move(size).error();
  chunk.size = *size;
  if (offset >= chunk.size) return chunk;
  chunk.bytes.resize(std::min<uint64_t>(limit, chunk.size - offset));
  TROUPE_TRY(context_->data->blocks().read(*id, offset, chunk.bytes.data(), chunk.bytes.size()));
  return chunk;
}

kj::Promise<Result<DatasetVersion>> GatewayService::push_dataset(const api::Caller& caller,
                                                                 api::DatasetPush push) {
  if (auto may = may_change(caller); !may) return Result<DatasetVersion>{may.error()};
  if (push.manifest.empty() && !push.from.empty()) return push_outputs(caller, std::move(push));
  return push_version(caller, std::move(push));
}

/// A version made of outputs: the head has or fetches their blocks itself.
kj::Promise<Result<DatasetVersion>> GatewayService::push_outputs(const api::Caller& caller,
                                                                 api::DatasetPush push) {
  using Answer = Result<DatasetVersion>;
  auto id = parse_experiment_id(push.from);
  if (!id) return Answer{std::move(id).error()};
  if (auto seen = experiment(caller, *id); !seen) return Answer{std::move(seen).error()};
  return bridge_
      .ask<DatasetVersionRef>(peers_.datasets, fetch_timeout, "fetching outputs", find_atom_v, *id)
      .then([this, caller, push = std::move(push)](
                Result<DatasetVersionRef> outputs) mutable -> kj::Promise<Answer> {
        if (!outputs) return Answer{std::move(outputs).error()};
        auto digest = block_id((**outputs).digest);
        if (!digest) return Answer{std::move(digest).error()};
        auto manifest = context_->data->manifest_bytes(*digest);
        if (!manifest) return Answer{std::move(manifest).error()};
        push.manifest = std::move(*manifest);
        return push_version(caller, std::move(push));
      });
}

kj::Promise<Result<DatasetVersion>> GatewayService::push_version(const api::Caller& caller,
                                                                 api::DatasetPush push) {
  return bridge_
      .ask<DatasetVersionRef>(peers_.datasets, sync_timeout, "an upload", manifest_atom_v,
                              share(std::pair{caller.user, std::move(push)}))
      .then([](Result<DatasetVersionRef> version) -> Result<DatasetVersion> {
        if (!version) return std::move(version).error();
        return **version;
      });
}

Result<std::string> GatewayService::dataset_manifest(const api::Caller& caller,
                                                     const std::string& name,
                                                     const std::string& which) {
  auto version = dataset_version(caller, name, which);
  if (!version) return std::move(version).error();
  auto id = block_id(version->digest);
  if (!id) return std::move(id).error();
  return context_->data->manifest_bytes(*id);
}

Result<api::DatasetListing> GatewayService::datasets(const api::Caller&, uint32_t limit,
                                                     const std::string& page_token) {
  auto page = context_->ledger->datasets(limit, page_token);
  if (!page) return std::move(page).error();
  return api::DatasetListing{std::move(page->versions), std::move(page->next_page_token)};
}

Result<api::DatasetView> GatewayService::dataset(const api::Caller&, const std::string& name) {
  if (auto newest = find_dataset(*context_->ledger, name, ""); !newest) return newest.error();
  api::DatasetView view;
  auto versions = context_->ledger->dataset_versions(name);
  if (!versions) return std::move(versions).error();
  auto tags = context_->ledger->dataset_tags(name);
  if (!tags) return std::move(tags).error();
  view.versions = std::move(*versions);
  view.tags = std::move(*tags);
  return view;
}

Result<DatasetVersion> GatewayService::dataset_version(const api::Caller&, const std::string& name,
                                                       const std::string& which) {
  return find_dataset(*context_->ledger, name, which);
}

/// Nodes know digests alone. Names of contents never change, so what was found once is good; it is
/// looked for again where there is a new one.
void GatewayService::name_datasets(std::vector<api::CachedVersion>& versions) {
  auto fill = [&] {
    bool all = true;
    for (auto& version : versions) {
      auto known = dataset_names_.find(version.digest);
      if (known == dataset_names_.end())
        all = false;
      else
        version.dataset = known->second;
    }
    return all;
  };
  auto now = context_->clock->monotonic();
  if (fill() || (dataset_names_at_ && now - *dataset_names_at_ < names_every)) return;
  dataset_names_at_ = now;
  dataset_names_.clear();
  std::string token;
  do {
    auto page = context_->ledger->datasets(limits::page_max, token);
    if (!page) return;
    for (const auto& newest : page->versions)
      if (auto all = context_->ledger->dataset_versions(newest.name))
        for (const auto& one : *all)
          dataset_names_.emplace(one.digest, fmt::format("{}:{}", one.name, one.version));
    token = page->next_page_token;
  } while (!token.empty());
  (void)fill();
}

std::vector<api::CachedVersion> GatewayService::dataset_nodes(const api::Caller&,
                                                              const std::string& digest) {
  auto nodes = context_->replicas->on_nodes(digest);
  name_datasets(nodes);
  return nodes;
}

kj::Promise<Result<std::vector<api::CachedVersion>>> GatewayService::warm_dataset(
    const api::Caller& caller, std::string name, std::string which,
    std::vector<std::string> nodes) {
  using Answer = Result<std::vector<api::CachedVersion>>;
  if (auto may = may_change(caller); !may) return Answer{may.error()};
  auto version = find_dataset(*context_->ledger, name, which);
  if (!version) return Answer{version.error()};
  auto source = fmt::format("{}:{}", version->name, version->version);
  return bridge_
      .ask<WarmRef>(peers_.registry, write_timeout, "nodes", fetch_atom_v,
                    share(Warm{version->digest, std::move(nodes)}))
      .then([this, source](Result<WarmRef> warm) -> Answer {
        if (!warm) return std::move(warm).error();
        auto there = context_->replicas->on_nodes((**warm).digest);
        std::vector<api::CachedVersion> views;
        for (const auto& node : (**warm).nodes) {
          api::CachedVersion view;
          view.node = node;
          view.digest = (**warm).digest;
          view.state = "coming";
          for (auto& one : there)
            if (one.node == node && one.state != "failed") view = std::move(one);
          view.dataset = source;
          views.push_back(std::move(view));
        }
        return views;
      });
}

kj::Promise<Result<void>> GatewayService::drop_dataset(const api::Caller& caller, std::string name,
                                                       uint32_t version) {
  if (auto may = may_change(caller); !may) return may;
  return bridge_
      .ask<bool>(peers_.datasets, write_timeout, "a dataset", leave_atom_v, caller.user,
                 std::move(name), version)
      .then([](Result<bool> answer) { return without_value(std::move(answer)); });
}

kj::Promise<Result<void>> GatewayService::tag_dataset(const api::Caller& caller, std::string name,
                                                      std::string tag, uint32_t version) {
  if (auto may = may_change(caller); !may) return may;
  return bridge_
      .ask<bool>(peers_.datasets, write_timeout, "a dataset", label_atom_v, std::move(name),
                 std::move(tag), version)
      .then([](Result<bool> answer) { return without_value(std::move(answer)); });
}

}  // namespace troupe::actors
