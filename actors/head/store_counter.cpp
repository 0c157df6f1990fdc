#include "actors/head/store_counter.hpp"

#include "actors/head/kept_books.hpp"
#include "actors/head/nodes_kept.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

namespace troupe::actors {

namespace {

uint64_t bytes_below(const std::string& folder) {
  uint64_t sum = 0;
  std::error_code code, gone;
  for (std::filesystem::recursive_directory_iterator it{folder, code}, end; !code && it != end;
       it.increment(code))
    if (auto size = it->file_size(gone); !gone) sum += size;
  return sum;
}

Result<void> count_versions(const HeadContext& context, api::StoreUse& use) {
  auto versions = named_versions(*context.ledger);
  if (!versions) return std::move(versions).error();
  struct Block {
    uint64_t bytes = 0;
    uint32_t versions = 0;  // that have it
  };
  std::unordered_map<dataset::ContentId, Block, dataset::ContentIdHash> blocks;
  std::vector<std::vector<dataset::ContentId>> of;
  for (const auto& version : *versions) {
    auto& ids = of.emplace_back();
    auto id = dataset::content_id_from(version.digest);
    auto manifest = id ? context.data->manifest(*id) : Result<dataset::Manifest>{Error{}};
    if (!manifest) continue;  // fsck says what is wrong with it
    for (const auto& block : manifest->blocks) {
      ids.push_back(block.id);
      auto& one = blocks[block.id];
      one.bytes = block.bytes();
      ++one.versions;
    }
  }
  for (size_t i = 0; i < versions->size(); ++i) {
    const auto& version = (*versions)[i];
    api::VersionUse one{version.name, version.version};
    for (const auto& id : of[i]) {
      const auto& block = blocks.at(id);
      one.bytes += block.bytes;
      if (block.versions == 1) one.own += block.bytes;
    }
    (outputs_of(version) ? use.copies : use.datasets).push_back(std::move(one));
  }
  use.data = bytes_below(context.dir + "/data/manifests");
  return context.data->blocks().for_each([&](const dataset::ContentId& id, uint64_t bytes) {
    (blocks.contains(id) ? use.data : use.unused) += bytes;
  });
}

Result<void> count_code(const HeadContext& context, api::StoreUse& use) {
  auto snapshots = context.code->manifests();
  if (!snapshots) return std::move(snapshots).error();
  use.snapshots = snapshots->size();
  return context.code->blobs().visit(
      [&](const std::string&, uint64_t bytes, storage::FileTime) { use.code += bytes; });
}

class NodeCounter {
 public:
  explicit NodeCounter(api::StoreUse& use) : use_{use} {}

  void add(const NodeKept& kept) {
    api::NodeUse one;
    one.node = kept.node.name;
    if (kept.node.cache) one.cache = kept.node.cache->used;
    one.error = kept.error;
    one.disk_free = kept.disk_free;
    for (const auto& each : kept.uses) {
      one.outputs += each.outputs;
      one.checkpoints += each.checkpoints;
      one.logs += each.logs;
      auto& experiment = experiments_[each.id];
      experiment.outputs += each.outputs;
      experiment.checkpoints += each.checkpoints;
      experiment.logs += each.logs;
      experiment.nodes.push_back(one.node);
    }
    use_.nodes.push_back(std::move(one));
  }
  void finish(const ExperimentBooks& books) {
    std::vector<api::ExperimentUse> all;
    for (auto& [id, use] : experiments_) {
      use.id = to_string(id);
      if (auto at = books.experiments.find(id); at != books.experiments.end())
        use.project = at->second.project;
      all.push_back(std::move(use));
    }
    auto bytes = [](const api::ExperimentUse& use) {
      return use.outputs + use.checkpoints + use.logs;
    };
    std::stable_sort(all.begin(), all.end(),
                     [&](const auto& a, const auto& b) { return bytes(a) > bytes(b); });
    if (all.size() > api::StoreUse::experiments_max) {
      use_.unlisted = all.size() - api::StoreUse::experiments_max;
      all.resize(api::StoreUse::experiments_max);
    }
    use_.experiments = std::move(all);
  }

 private:
  api::StoreUse& use_;
  std::map<ExperimentId, api::ExperimentUse> experiments_;
};

}  // namespace

Result<api::StoreUse> count_store(const HeadContext& context, const KeeperPorts& ports,
                                  bool with_nodes) {
  api::StoreUse use;
  TROUPE_TRY(count_versions(context, use));
  TROUPE_TRY(count_code(context, use));
  use.aside = context.data->aside_bytes();
  use.records = bytes_below(context.dir + "/ledger") + bytes_below(context.dir + "/series");
  if (!with_nodes) return use;
  auto books = experiment_books(*context.ledger);
  if (!books) return std::move(books).error();
  auto nodes = ask_nodes_kept(ports, *context.closing);
  if (!nodes) return std::move(nodes).error();
  NodeCounter counter{use};
  for (const auto& node : *nodes) counter.add(node);
  counter.finish(*books);
  return use;
}

}  // namespace troupe::actors
