#include "actors/head/output_versions.hpp"

#include "actors/bulk_words.hpp"
#include "actors/head/block_fetch.hpp"
#include "actors/head/kept_books.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr size_t blocks_in_flight = 4;

}  // namespace

struct OutputVersions::Fetch {
  ExperimentId id;
  std::string node;
  std::vector<Done> waiting;
  std::string bytes;  // of the manifest
  std::shared_ptr<BlockFetch> blocks;
  bool over = false;
};

OutputVersions::OutputVersions(HeadContextRef context, Ports ports)
    : context_{std::move(context)}, ports_{std::move(ports)} {}

Result<std::string> OutputVersions::node_of(ExperimentId id) const {
  auto record = context_->ledger->experiment(id);
  if (!record) return std::move(record).error();
  if (!*record)
    return Error{Errc::not_found, fmt::format("experiment {} not found", to_string(id)),
                 "its outputs are asked for", "troupe ls -a"};
  if (!is_terminal((**record).state))
    return Error{Errc::conflict, fmt::format("experiment {} has not ended", to_string(id)),
                 "its outputs may still change", fmt::format("troupe wait {}", to_string(id))};
  TROUPE_TRY(check_outputs_kept(*context_->ledger, id));
  if ((**record).attempts.empty())
    return Error{Errc::not_found, fmt::format("experiment {} has no outputs", to_string(id)),
                 "it never ran", fmt::format("troupe show {}", to_string(id))};
  return (**record).attempts.back().jobs.front().node;
}

void OutputVersions::find(ExperimentId id, Done done) {
  auto known = context_->ledger->dataset(outputs_name(id), "");
  if (!known) return done(std::move(known).error());
  if (*known) return done(std::move(**known));
  auto& fetch = fetches_[id];
  if (fetch) return fetch->waiting.push_back(std::move(done));
  fetch = std::make_shared<Fetch>();
  fetch->id = id;
  fetch->waiting.push_back(std::move(done));
  auto node = node_of(id);
  if (node && !context_->ask_node)
    node =
        Error{Errc::unavailable, "outputs cannot be fetched", "there is no way to the nodes", ""};
  if (!node) return finish(FetchRef{fetch}, std::move(node).error());
  fetch->node = *node;
  ask(fetch, manifest_question(ask_pack(id)),
      [this, fetch = fetch](Result<cluster::BulkAnswer> answer) {
        manifest_came(fetch, std::move(answer));
      });
}

/// The answer comes on some other thread; `take` is called on ours.
void OutputVersions::ask(const FetchRef& fetch, cluster::BulkQuestion question, Take take) {
  answers_.ask(*context_, fetch->node, std::move(question), ports_.wake, std::move(take),
               "outputs cannot be fetched");
}

void OutputVersions::manifest_came(const FetchRef& fetch, Result<cluster::BulkAnswer> answer) {
  if (!answer) return finish(fetch, std::move(answer).error());
  auto manifest = dataset::parse_manifest(answer->bytes);
  if (!manifest) return finish(fetch, std::move(manifest).error());
  fetch->bytes = std::move(answer->bytes);
  fetch->blocks = std::make_shared<BlockFetch>(context_, *manifest);
  std::weak_ptr held{fetch};  // which holds what asks
  fetch->blocks->start(
      blocks_in_flight,
      [this, held](const dataset::ContentId& id, Take take) {
        if (auto one = held.lock())
          ask(one, block_question(ask_packed(one->id, to_string(id))), std::move(take));
      },
      [this, held](Result<void> here) {
        auto one = held.lock();
        if (one && here)
          store(one);
        else if (one)
          finish(one, here.error());
      });
}

void OutputVersions::store(const FetchRef& fetch) {
  auto stored = context_->data->put_manifest(fetch->bytes);
  if (!stored) return finish(fetch, std::move(stored).error());
  auto id = dataset::content_id_of(fetch->bytes);
  auto record = context_->ledger->experiment(fetch->id);
  if (!record) {
    context_->data->settle(id);
    return finish(fetch, std::move(record).error());
  }
  DatasetVersion version;
  version.name = outputs_name(fetch->id);
  version.version = 1;
  version.digest = to_string(id);
  note_sizes(version, *stored);
  if (*record) version.user = (**record).user;
  version.created = context_->clock->now();
  version.source = fetch->node;
  version.from = to_string(fetch->id);
  ports_.commit({storage::PutDataset{version}}, [this, fetch, version, id](Result<void> done) {
    context_->data->settle(id);
    if (done)
      finish(fetch, version);
    else
      finish(fetch, done.error());
  });
}

void OutputVersions::finish(const FetchRef& fetch, Result<DatasetVersion> version) {
  if (std::exchange(fetch->over, true)) return;
  if (fetch->blocks) fetch->blocks->stop();
  fetches_.erase(fetch->id);
  if (!version)
    log::warning("datasets", "outputs of {} could not be fetched: {}", to_string(fetch->id),
                 to_string(version.error()));
  for (auto& done : fetch->waiting) done(version);
}

void note_sizes(DatasetVersion& version, const dataset::Manifest& manifest) {
  version.bytes = manifest.file_bytes();
  version.payload = manifest.payload_bytes();
  version.files = manifest.file_count();
  version.records = 0;
  for (const auto& table : manifest.tables) version.records += table.count;
  version.blocks = static_cast<uint32_t>(manifest.blocks.size());
}

std::optional<ExperimentId> outputs_behind(const DataMount& mount) {
  auto ref = parse_dataset_ref(mount.source);
  return ref ? ref->output : std::nullopt;
}

Result<void> fill_output_digests(const storage::Ledger& ledger, std::vector<JobOrder>& orders) {
  for (auto& order : orders)
    for (auto& data : order.data) {
      if (!data.digest.empty()) continue;
      auto version = ledger.dataset(data.source, "");
      if (!version) return std::move(version).error();
      if (!*version)
        return Error{Errc::unavailable, fmt::format("{} is not here", data.source),
                     "these outputs were removed while they were waited for", "submit it again"};
      data.digest = (**version).digest;
    }
  return ok();
}

bool is_version(const storage::Ledger& ledger, const std::string& digest) {
  std::string token;
  do {
    auto page = ledger.datasets(limits::page_max, token, true);
    if (!page) return true;
    for (const auto& newest : page->versions) {
      auto versions = ledger.dataset_versions(newest.name);
      if (!versions) return true;
      for (const auto& version : *versions)
        if (version.digest == digest) return true;
    }
    token = page->next_page_token;
  } while (!token.empty());
  return false;
}

}  // namespace troupe::actors
