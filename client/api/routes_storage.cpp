// What lies on disks: checked, collected, counted.
#include "client/api/convert.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>

namespace troupe::api {

namespace {

template <class T, class Init, class Set>
void set_list(const std::vector<T>& items, Init init, Set set) {
  auto list = init(static_cast<uint32_t>(items.size()));
  for (uint32_t i = 0; i < items.size(); ++i) set(list[i], items[i]);
}

void set_problem(wire::StoreProblem::Builder out, const StoreProblem& problem) {
  out.setKind(to_text(problem.kind));
  out.setDigest(to_text(problem.digest));
  out.setDetail(to_text(problem.detail));
  set_strings(problem.versions, [&](auto count) { return out.initVersions(count); });
  set_strings(problem.files, [&](auto count) { return out.initFiles(count); });
  out.setUnlisted(problem.unlisted);
  if (!problem.node.empty()) out.setNode(to_text(problem.node));
  out.setCured(problem.cured);
  if (!problem.cure.empty()) out.setCure(to_text(problem.cure));
}

void set_check(wire::StoreCheck::Builder out, const StoreCheck& check) {
  out.setBlocks(check.blocks);
  out.setBytes(check.bytes);
  out.setManifests(check.manifests);
  out.setCodeFiles(check.code_files);
  out.setNodeVersions(check.node_versions);
  set_list(
      check.problems, [&](auto count) { return out.initProblems(count); },
      [](auto one, const auto& problem) { set_problem(one, problem); });
  set_strings(check.unasked, [&](auto count) { return out.initUnasked(count); });
}

void set_collection(wire::Collection::Builder out, const Collection& collection) {
  out.setDryRun(collection.dry_run);
  out.setFreed(collection.freed);
  set_list(
      collection.items, [&](auto count) { return out.initItems(count); },
      [](wire::CollectedItem::Builder one, const CollectedItem& item) {
        one.setKind(to_text(item.kind));
        one.setName(to_text(item.name));
        if (!item.node.empty()) one.setNode(to_text(item.node));
        one.setBytes(item.bytes);
        one.setWhy(to_text(item.why));
      });
  set_strings(collection.notes, [&](auto count) { return out.initNotes(count); });
}

void set_version_use(wire::VersionUse::Builder out, const VersionUse& use) {
  out.setName(to_text(use.name));
  out.setVersion(use.version);
  out.setBytes(use.bytes);
  out.setOwn(use.own);
}

void set_node_use(wire::NodeUse::Builder out, const NodeUse& use) {
  out.setNode(to_text(use.node));
  out.setCache(use.cache);
  out.setOutputs(use.outputs);
  out.setCheckpoints(use.checkpoints);
  out.setLogs(use.logs);
  out.setDiskFree(use.disk_free);
  if (!use.error.empty()) out.setError(to_text(use.error));
}

void set_experiment_use(wire::ExperimentUse::Builder out, const ExperimentUse& use) {
  out.setId(to_text(use.id));
  out.setProject(to_text(use.project));
  out.setOutputs(use.outputs);
  out.setCheckpoints(use.checkpoints);
  out.setLogs(use.logs);
  set_strings(use.nodes, [&](auto count) { return out.initNodes(count); });
}

void set_use(wire::StoreUse::Builder out, const StoreUse& use) {
  set_list(
      use.datasets, [&](auto count) { return out.initDatasets(count); }, set_version_use);
  set_list(
      use.copies, [&](auto count) { return out.initCopies(count); }, set_version_use);
  out.setData(use.data);
  out.setUnused(use.unused);
  out.setAside(use.aside);
  out.setCode(use.code);
  out.setSnapshots(use.snapshots);
  out.setRecords(use.records);
  set_list(
      use.nodes, [&](auto count) { return out.initNodes(count); }, set_node_use);
  set_list(
      use.experiments, [&](auto count) { return out.initExperiments(count); }, set_experiment_use);
  out.setUnlisted(use.unlisted);
}

kj::Promise<void> use(Exchange& x) {
  auto here = x.flag("head_only");
  if (!here) return x.send_error(here.error());
  return x.service().store_use(x.caller, !*here).then([&x](Result<StoreUse>&& use) {
    if (!use) return x.send_error(use.error());
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::StoreUse>();
    set_use(out, *use);
    return x.send_json(out.asReader());
  });
}

kj::Promise<void> check(Exchange& x) {
  StoreCheckRequest request;
  if (!x.body.empty()) {
    capnp::MallocMessageBuilder asked;
    auto in = asked.initRoot<wire::StoreCheckRequest>();
    if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
    request.repair = in.getRepair();
    request.nodes = in.getNodes();
  }
  return x.service().check_store(x.caller, request).then([&x](Result<StoreCheck>&& check) {
    if (!check) return x.send_error(check.error());
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::StoreCheck>();
    set_check(out, *check);
    return x.send_json(out.asReader());
  });
}

kj::Promise<void> collect(Exchange& x) {
  CollectRequest request;
  if (!x.body.empty()) {
    capnp::MallocMessageBuilder asked;
    auto in = asked.initRoot<wire::CollectRequest>();
    if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
    request.dry_run = in.getDryRun();
    if (in.hasOlderThan())
      request.older_than = Duration{static_cast<int64_t>(
          std::min<uint64_t>(in.getOlderThan().getMs(), INT64_MAX / 1'000'000))};
  }
  return x.service().collect_store(x.caller, request).then([&x](Result<Collection>&& collection) {
    if (!collection) return x.send_error(collection.error());
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::Collection>();
    set_collection(out, *collection);
    return x.send_json(out.asReader());
  });
}

}  // namespace

void add_storage_routes(std::vector<Route>& routes) {
  routes.push_back({kj::HttpMethod::GET,
                    "/api/v1/storage",
                    use,
                    "What takes how much on disks; `head_only`: without asking the nodes",
                    {"head_only"},
                    std::nullopt,
                    capnp::Schema::from<wire::StoreUse>()});
  routes.push_back({kj::HttpMethod::POST,
                    "/api/v1/storage:check",
                    check,
                    "Read and hash everything that is stored; takes as long as that does",
                    {},
                    capnp::Schema::from<wire::StoreCheckRequest>(),
                    capnp::Schema::from<wire::StoreCheck>(),
                    "application/json",
                    limits::http_body_max});
  routes.push_back({kj::HttpMethod::POST,
                    "/api/v1/storage:collect",
                    collect,
                    "Remove what nothing needs any more, and what the rules say goes",
                    {},
                    capnp::Schema::from<wire::CollectRequest>(),
                    capnp::Schema::from<wire::Collection>(),
                    "application/json",
                    limits::http_body_max});
}

}  // namespace troupe::api
