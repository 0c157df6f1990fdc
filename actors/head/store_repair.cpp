// What the head has lost, fetched from nodes: out of their caches, and out of the outputs that a
// version was made of.
#include "actors/bulk_words.hpp"
#include "actors/head/kept_books.hpp"
#include "actors/head/store_checker.hpp"

namespace troupe::actors {

namespace {

constexpr auto fetch_timeout = std::chrono::minutes{2};
// Outputs are packed for it first.
constexpr auto pack_timeout = std::chrono::hours{1};
constexpr uint64_t block_bytes_max = 64u << 20;
constexpr uint64_t manifest_bytes_max = 512u << 20;

}  // namespace

/// On which node the outputs lie that are this version; empty: it is made of none.
std::string StoreChecker::node_with_outputs(const DatasetVersion& version) const {
  auto id = parse_experiment_id(version.from);
  if (!id) return {};
  auto record = context_.ledger->experiment(*id);
  if (!record || !*record || (**record).attempts.empty()) return {};
  const auto& jobs = (**record).attempts.back().jobs;
  return jobs.empty() ? std::string{} : jobs.front().node;
}

/// From whom it came; empty: nobody has it.
std::string StoreChecker::fetch_block(const Id& id, const BadBlock& block) {
  auto take = [&](const std::string& node, cluster::BulkRequest request,
                  std::chrono::milliseconds limit) {
    auto answer = ports_.ask(node, std::move(request), block_bytes_max, limit);
    if (!answer || dataset::content_id_of(answer->bytes) != id) return false;
    return context_.data->blocks().blobs().mend(to_string(id), answer->bytes) &&
           context_.data->blocks().sync({id});
  };
  for (const auto& [number, at] : block.places)
    for (const auto& node : context_.replicas->on_nodes(versions_[number].digest))
      if (node.state == "here" &&
          take(node.node, ask_worker_block(versions_[number].digest, at, to_string(id)),
               fetch_timeout))
        return "node " + node.node;
  for (const auto& [number, at] : block.places) {
    auto node = node_with_outputs(versions_[number]);
    auto of = parse_experiment_id(versions_[number].from);
    if (!node.empty() && take(node, ask_packed(*of, to_string(id)), pack_timeout))
      return "the outputs of " + versions_[number].from;
  }
  return {};
}

std::string StoreChecker::fetch_manifest(const Id& id) {
  auto digest = to_string(id);
  auto take = [&](const std::string& node, cluster::BulkRequest request,
                  std::chrono::milliseconds limit) {
    auto answer = ports_.ask(node, std::move(request), manifest_bytes_max, limit);
    return answer && dataset::content_id_of(answer->bytes) == id &&
           context_.data->restore_manifest(answer->bytes);
  };
  for (const auto& node : context_.replicas->on_nodes(digest))
    if (node.state == "here" && take(node.node, ask_manifest(digest), fetch_timeout))
      return "node " + node.node;
  for (const auto& version : versions_) {
    if (version.digest != digest) continue;
    auto node = node_with_outputs(version);
    auto of = parse_experiment_id(version.from);
    if (!node.empty() && take(node, ask_pack(*of), pack_timeout))
      return "the outputs of " + version.from;
  }
  return {};
}

}  // namespace troupe::actors
