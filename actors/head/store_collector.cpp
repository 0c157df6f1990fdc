#include "actors/head/store_collector.hpp"

#include "actors/head/nodes_kept.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr auto unkeep_timeout = std::chrono::minutes{10};
// Times of files are those of the kernel's last tick.
constexpr auto tick_slack = std::chrono::milliseconds{50};
// Between its code and a submission; whoever uploads code cannot be seen to be about to submit.
constexpr auto submit_time_max = std::chrono::hours{1};

storage::AppendEvent removal_event(ExperimentId id, const std::string& project,
                                   const std::string& why, Timestamp now) {
  Event event;
  event.time = now;
  event.kind = "outputs";
  event.subject = to_string(id);
  event.project = project;
  event.cause = "removed: " + why;
  return {std::move(event)};
}

std::string count_of(uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace

void StoreCollector::add(api::CollectedItem item) {
  collection_.freed += item.bytes;
  collection_.items.push_back(std::move(item));
}

Result<api::Collection> StoreCollector::collect(const api::CollectRequest& request) {
  dry_run_ = collection_.dry_run = request.dry_run;
  now_ = context_.clock->now();
  auto age = request.older_than.value_or(context_.retention.unfinished);
  auto started = std::chrono::system_clock::now() - tick_slack;
  auto books = experiment_books(*context_.ledger);
  if (!books) return std::move(books).error();
  books_ = std::move(*books);
  auto versions = named_versions(*context_.ledger);
  if (!versions) return std::move(versions).error();
  versions_ = std::move(*versions);
  ask_nodes();
  TROUPE_TRY(collect_outputs());
  TROUPE_TRY(collect_copies());
  TROUPE_TRY(collect_checkpoints());
  TROUPE_TRY(collect_data(started - age));
  TROUPE_TRY(collect_code(started - std::max<Duration>(age, submit_time_max)));
  collect_aside();
  return std::move(collection_);
}

void StoreCollector::ask_nodes() {
  auto nodes = ask_nodes_kept(ports_, *context_.closing);
  if (!nodes) return collection_.notes.push_back(to_string(nodes.error()));
  for (const auto& node : *nodes) {
    if (!node.error.empty())
      collection_.notes.push_back(fmt::format("node {} was not asked, what it keeps stays: {}",
                                              node.node.name, node.error));
    else if (!dry_run_)
      ports_.bring("", node.node.name);
    for (const auto& use : node.uses)
      if (use.files != 0) kept_[use.id][node.node.name] = use;
  }
}

Result<void> StoreCollector::collect_outputs() {
  std::vector<OutputFacts> facts;
  std::set<ExperimentId> noted;
  for (const auto& version : versions_)
    if (auto id = parse_experiment_id(version.from); id && version.checkpoint) kept_[*id];
  for (const auto& [id, nodes] : kept_) {
    auto at = books_.experiments.find(id);
    // Of an experiment that this ledger does not know: it may be an older one, restored.
    if (at == books_.experiments.end()) continue;
    if (!check_outputs_kept(*context_.ledger, id)) noted.insert(id);
    facts.push_back(at->second);
  }
  for (auto& verdict : judge_outputs(context_.retention, facts, now_)) {
    bool again = noted.contains(verdict.id);
    if (stopped() || (!verdict.goes && !again)) continue;
    TROUPE_TRY(remove_outputs(verdict.id, again ? "their removal broke off" : verdict.why, again));
  }
  return ok();
}

Result<void> StoreCollector::remove_outputs(ExperimentId id, const std::string& why, bool noted) {
  outputs_gone_.insert(id);
  if (!dry_run_ && !noted)
    TROUPE_TRY(ports_.commit({outputs_removed(id, now_, why),
                              removal_event(id, books_.experiments.at(id).project, why, now_)}));
  for (const auto& [node, use] : kept_.at(id)) {
    api::CollectedItem item{"outputs", to_string(id), node, use.outputs + use.checkpoints, why};
    if (!dry_run_) {
      auto answer = ports_.ask(node, ask_unkeep(id), 1u << 20, unkeep_timeout);
      if (!answer) {
        collection_.notes.push_back(fmt::format("outputs of {} on node {}: {}", to_string(id), node,
                                                answer.error().detail));
        continue;
      }
      item.bytes = answer->end.size;
    }
    add(std::move(item));
  }
  return ok();
}

Result<CopyFacts> StoreCollector::copy_facts(const DatasetVersion& copy, ExperimentId id) const {
  CopyFacts facts;
  facts.used = copy.created;
  if (auto read = books_.read.find(id); read != books_.read.end())
    facts.used = std::max(facts.used, read->second);
  if (auto reader = books_.readers.find(id); reader != books_.readers.end())
    facts.held = fmt::format("{} reads it and has not ended", reader->second);
  auto tags = context_.ledger->dataset_tags(copy.name);
  if (!tags) return std::move(tags).error();
  if (!tags->empty()) facts.held = fmt::format("the tag {} stands for it", tags->begin()->first);
  for (const auto& node : context_.replicas->on_nodes(copy.digest))
    if (node.state == "coming") facts.held = fmt::format("node {} is fetching it", node.node);
  facts.is_dataset = std::any_of(versions_.begin(), versions_.end(), [&](const auto& other) {
    return other.digest == copy.digest && other.name != copy.name;
  });
  auto kept = kept_.find(id);
  facts.original = kept != kept_.end() && !kept->second.empty();
  facts.outputs_gone =
      outputs_gone_.contains(id) || !check_outputs_kept(*context_.ledger, id).has_value();
  return facts;
}

Result<void> StoreCollector::collect_copies() {
  for (const auto& copy : versions_) {
    auto id = outputs_of(copy);
    if (!id || stopped()) continue;
    auto facts = copy_facts(copy, *id);
    if (!facts) return std::move(facts).error();
    auto verdict = judge_copy(context_.retention, *id, *facts, now_);
    if (!verdict.goes) continue;
    if (!dry_run_) {
      if (auto done = ports_.forget(*id, verdict.why); !done) {
        collection_.notes.push_back(fmt::format("{}: {}", copy.name, done.error().detail));
        continue;
      }
    }
    forgotten_.insert(version_title(copy));
    // Its bytes are counted with the blocks.
    add({"copy", copy.name, "", 0, verdict.why});
  }
  return ok();
}

/// What the head keeps of outputs that were removed goes with them.
Result<void> StoreCollector::collect_checkpoints() {
  for (const auto& version : versions_) {
    auto id = parse_experiment_id(version.from);
    if (!version.checkpoint || !id || stopped()) continue;
    bool gone = outputs_gone_.contains(*id) || !check_outputs_kept(*context_.ledger, *id);
    if (!gone) continue;
    if (!dry_run_) TROUPE_TRY(ports_.commit({storage::DropDataset{version.name, version.version}}));
    forgotten_.insert(version_title(version));
    add({"checkpoint", version.checkpoint->name + " of " + version.from, "", 0,
         "the outputs of its experiment go"});
  }
  return ok();
}

Result<void> StoreCollector::collect_data(storage::FileTime than) {
  auto named = [&]() -> Result<dataset::DatasetStore::Named> {
    auto all = named_contents(*context_.ledger);
    if (!all || !dry_run_) return all;
    all->clear();
    for (const auto& version : versions_)
      if (auto id = dataset::content_id_from(version.digest);
          id && !forgotten_.contains(version_title(version)))
        all->insert(*id);
    return all;
  };
  auto data = context_.data->collect(than, dry_run_, named);
  if (!data) return std::move(data).error();
  for (const auto& [id, bytes] : data->manifests)
    add({"manifest", to_string(id), "", bytes, "no version has this name any more"});
  if (data->blocks != 0)
    add({"blocks", count_of(data->blocks, "block", "blocks"), "", data->bytes,
         "no version has them"});
  if (!data->kept.empty()) collection_.notes.push_back("blocks stay: " + data->kept);
  return ok();
}

Result<void> StoreCollector::collect_code(storage::FileTime than) {
  auto code = context_.code->collect(than, dry_run_, books_.code);
  if (!code) return std::move(code).error();
  if (code->files != 0 || code->snapshots != 0)
    add({"code",
         fmt::format("{}, {}", count_of(code->snapshots, "snapshot", "snapshots"),
                     count_of(code->files, "file", "files")),
         "", code->bytes, "no experiment has them"});
  if (!code->kept.empty()) collection_.notes.push_back("code files stay: " + code->kept);
  return ok();
}

/// What fsck moved aside: nobody has missed it for so long.
void StoreCollector::collect_aside() {
  auto than = std::chrono::system_clock::now() - context_.retention.copies;
  auto drop = [this](const char* what, uint64_t bytes) {
    if (bytes != 0) add({"aside", what, "", bytes, "moved aside long ago"});
  };
  drop("damaged blocks and manifests", context_.data->drop_aside(than, dry_run_));
  drop("damaged code", context_.code->drop_aside(than, dry_run_));
}

}  // namespace troupe::actors
