#include "actors/head/checkpoints.hpp"

#include "actors/bulk_words.hpp"
#include "actors/head/block_fetch.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/units.hpp"
#include "storage/dataset/merge_manifests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

// Little beside what is being pushed or mounted: nobody waits for it.
constexpr size_t pulls_max = 4;
constexpr size_t blocks_at_once = 2;
// The ledger lies on the same disk.
constexpr uint64_t disk_share_left = 20;

Error away(const std::string& node) {
  return {Errc::unavailable, fmt::format("node {} is not here", node), "it was lost", ""};
}

bool is_passing(const Error& error) {
  return error.code == Errc::unavailable || error.code == Errc::timed_out ||
         error.code == Errc::exhausted;
}

}  // namespace

struct Checkpoints::Pull {
  ExperimentId id;
  CheckpointMark mark;
  std::string user;
  std::string project;
  std::vector<CheckpointPart> places;    // where its parts are: one, but for shards
  std::vector<dataset::Manifest> parts;  // of as many of these as have answered
  std::string bytes;                     // of the manifest of all
  dataset::Manifest manifest;
  std::map<dataset::ContentId, size_t> place_of;  // of blocks, in `places`
  std::shared_ptr<BlockFetch> blocks;
  bool over = false;
};

Checkpoints::Checkpoints(HeadContextRef context, OutputVersions::Ports ports)
    : context_{std::move(context)}, ports_{std::move(ports)} {}

Checkpoints::Known& Checkpoints::know(const ExperimentRecord& record) {
  auto& known = known_[record.id];
  known.record.value = std::make_shared<const ExperimentRecord>(record);
  // Its node may be here again, and its disk emptied.
  std::erase_if(known.failed, [](const auto& one) { return is_passing(one.second); });
  return known;
}

void Checkpoints::noted(const ExperimentRecord& record) {
  if (is_terminal(record.state)) unpin(record.id);
  if (!context_->keeps_checkpoints || record.checkpoints.empty()) return;
  know(record);
  line_up(record.id);
  begin_pulls();
}

void Checkpoints::line_up(ExperimentId id) {
  if (std::find(queue_.begin(), queue_.end(), id) == queue_.end()) queue_.push_back(id);
}

/// The newest that its rule would keep and that is neither here nor known to be lost.
std::optional<CheckpointMark> Checkpoints::next_of(ExperimentId id) {
  auto known = known_.find(id);
  if (known == known_.end()) return std::nullopt;
  const auto& record = *known->second.record;
  auto rule = checkpoint_rule(*record.spec);
  auto all = all_checkpoints(*context_->ledger, record);
  std::vector<CheckpointMark> marks;
  for (const auto& one : all) marks.push_back(one.mark);
  auto keep = checkpoints_to_keep(marks, rule.keep_last, rule.keep_last == 0 ? 0 : rule.keep_best,
                                  !rule.metric || rule.metric->maximize);
  for (auto i = keep.rbegin(); i != keep.rend(); ++i)
    if (all[*i].version == 0 && !why_not(known->second, all[*i].mark)) return all[*i].mark;
  return std::nullopt;
}

/// Why it is not asked for (again).
std::optional<Error> Checkpoints::why_not(const Known& known, const CheckpointMark& mark) const {
  if (auto failed = known.failed.find(key_of(mark)); failed != known.failed.end())
    return failed->second;
  for (const auto& node : lost_)
    if (is_from(mark, node)) return away(node);
  return std::nullopt;
}

void Checkpoints::begin_pulls() {
  if (!context_->keeps_checkpoints) return;
  auto turns = queue_.size();
  while (turns-- > 0 && pulls_.size() < pulls_max && !queue_.empty()) {
    auto id = queue_.front();
    queue_.pop_front();
    if (pulls_.contains(id)) {
      queue_.push_back(id);
    } else if (auto next = next_of(id)) {
      queue_.push_back(id);
      pull(id, *next);
    } else if (starts_.contains(id)) {
      queue_.push_back(id);
    } else {
      known_.erase(id);
    }
  }
}

void Checkpoints::pull(ExperimentId id, const CheckpointMark& mark) {
  auto made = std::make_shared<Pull>();
  made->id = id;
  made->mark = mark;
  const auto& record = *known_[id].record;
  made->user = record.user;
  made->project = record.spec->project;
  made->places = mark.parts;
  made->places.insert(made->places.begin(), {mark.node, mark.made});
  pulls_.insert_or_assign(id, made);
  ask_part(made);
}

/// One node after the other packs what it has.
void Checkpoints::ask_part(const PullRef& pull) {
  const auto& place = pull->places[pull->parts.size()];
  ask(place.node, manifest_question(ask_checkpoint(pull->id, pull->mark.name, place.made.us)),
      [this, pull](Result<cluster::BulkAnswer> answer) { part_came(pull, std::move(answer)); });
}

/// The answer comes on some other thread; `take` is called on ours.
void Checkpoints::ask(const std::string& node, cluster::BulkQuestion question, Take take) {
  answers_.ask(*context_, node, std::move(question), ports_.wake, std::move(take),
               "checkpoints cannot be fetched");
}

void Checkpoints::part_came(const PullRef& pull, Result<cluster::BulkAnswer> answer) {
  if (pull->over) return;
  if (!answer) return finish(pull, std::move(answer).error());
  auto manifest = dataset::parse_manifest(answer->bytes);
  if (!manifest) return finish(pull, std::move(manifest).error());
  for (const auto& block : manifest->blocks) pull->place_of.emplace(block.id, pull->parts.size());
  pull->parts.push_back(std::move(*manifest));
  if (pull->parts.size() < pull->places.size()) return ask_part(pull);
  auto whole = dataset::merge_manifests(pull->parts);
  if (!whole) return finish(pull, std::move(whole).error());
  pull->manifest = std::move(*whole);
  pull->bytes = dataset::manifest_bytes(pull->manifest);
  pull->blocks = std::make_shared<BlockFetch>(context_, pull->manifest);
  if (auto room = check_room(pull->blocks->bytes_lacked()); !room)
    return finish(pull, room.error());
  std::weak_ptr held{pull};  // which holds what asks
  pull->blocks->start(
      blocks_at_once,
      [this, held](const dataset::ContentId& id, Take take) {
        auto one = held.lock();
        if (!one) return;
        const auto& place = one->places[one->place_of.at(id)];
        auto request = ask_checkpoint_block(one->id, one->mark.name, place.made.us, to_string(id));
        ask(place.node, block_question(std::move(request)), std::move(take));
      },
      [this, held](Result<void> here) {
        auto one = held.lock();
        if (one && here)
          store(one);
        else if (one)
          finish(one, here.error());
      });
}

Result<void> Checkpoints::check_room(uint64_t needed) const {
  auto room = context_->data->room();
  if (!room) return std::move(room).error();
  if (needed + room->total / disk_share_left <= room->free) return ok();
  return Error{Errc::exhausted, "the head has no room for it",
               fmt::format("{} are needed, {} are free, and {} of them stay so", bytes_text(needed),
                           bytes_text(room->free), bytes_text(room->total / disk_share_left)),
               "free space on the head's disk"};
}

void Checkpoints::store(const PullRef& pull) {
  auto stored = context_->data->put_manifest(pull->bytes);
  if (!stored) return finish(pull, std::move(stored).error());
  auto name = checkpoints_name(pull->id);
  auto highest = context_->ledger->dataset_highest(name);
  if (!highest) {
    context_->data->settle(dataset::content_id_of(pull->bytes));
    return finish(pull, std::move(highest).error());
  }
  DatasetVersion version;
  version.name = std::move(name);
  version.version = *highest + 1;
  version.digest = to_string(dataset::content_id_of(pull->bytes));
  note_sizes(version, *stored);
  version.user = pull->user;
  version.created = context_->clock->now();
  version.source = pull->mark.name;
  version.from = to_string(pull->id);
  version.checkpoint = pull->mark;
  Event event;
  event.time = version.created;
  event.kind = "checkpoint";
  event.subject = to_string(pull->id);
  event.project = pull->project;
  event.cause = fmt::format("{} of {} is kept: {}, {} of {} blocks came", pull->mark.name,
                            nodes_text(pull->mark), bytes_text(version.bytes),
                            pull->blocks->lacked(), version.blocks);
  ports_.commit({storage::PutDataset{version}, storage::AppendEvent{std::move(event)}},
                [this, pull, version](Result<void> done) {
                  context_->data->settle(dataset::content_id_of(pull->bytes));
                  if (done)
                    finish(pull, version);
                  else
                    finish(pull, done.error());
                });
}

void Checkpoints::finish(const PullRef& pull, Result<DatasetVersion> version) {
  if (std::exchange(pull->over, true)) return;
  if (pull->blocks) pull->blocks->stop();
  pulls_.erase(pull->id);
  if (!version) {
    log::warning("checkpoints", "{} of {} was not taken from {}: {}", pull->mark.name,
                 to_string(pull->id), nodes_text(pull->mark), to_string(version.error()));
    known_[pull->id].failed.insert_or_assign(key_of(pull->mark), version.error());
  }
  try_starts(pull->id);
  if (version) expire(pull->id);
  begin_pulls();
}

void Checkpoints::lost_node(const std::string& node) {
  lost_.insert(node);
  auto pulls = pulls_;
  for (const auto& [id, pull] : pulls)
    if (is_from(pull->mark, node)) finish(pull, away(node));
}

void Checkpoints::resume(const RecordRef& record, Resumed done) {
  know(*record);
  if (context_->keeps_checkpoints) line_up(record->id);
  Start start{record, std::move(done)};
  if (!try_start(start)) starts_.emplace(record->id, std::move(start));
  if (!context_->keeps_checkpoints) known_.erase(record->id);
  begin_pulls();
}

/// Looks from the newest on: here, where it is needed, lost, or to be waited for.
bool Checkpoints::try_start(const Start& start) {
  const auto& record = *start.record;
  auto all = all_checkpoints(*context_->ledger, record);
  const auto& jobs = record.attempts.back().jobs;
  auto& known = known_[record.id];
  Resume resume;
  bool brings = context_->keeps_checkpoints && checkpoint_rule(*record.spec).keep_last != 0;
  for (auto one = all.rbegin(); brings && one != all.rend(); ++one) {
    const auto& mark = one->mark;
    bool is_local = mark.parts.empty() &&
                    std::all_of(jobs.begin(), jobs.end(),
                                [&](const JobRecord& job) { return job.node == mark.node; });
    if (one->version != 0 || is_local) break;
    if (auto why = why_not(known, mark)) {
      if (resume.note.empty())
        resume.note = fmt::format("{} cannot be had from {}: {}", mark.name, nodes_text(mark),
                                  why->detail.empty() ? why->what : why->detail);
      continue;
    }
    // An older one that is on its way is let come: it is soon here.
    if (!pulls_.contains(record.id)) pull(record.id, mark);
    return false;
  }
  resume.choices = resume_choices(record.id, all, context_->keeps_checkpoints);
  std::vector<uint32_t> versions;
  for (const auto& one : all)
    if (one.version != 0) versions.push_back(one.version);
  if (versions.size() > resume_choices_max)
    versions.erase(versions.begin(),
                   versions.end() - static_cast<std::ptrdiff_t>(resume_choices_max));
  pin(record.id, std::move(versions));
  start.done(std::move(resume));
  return true;
}

void Checkpoints::try_starts(ExperimentId id) {
  std::vector<Start> waiting;
  for (auto node = starts_.extract(id); node; node = starts_.extract(id))
    waiting.push_back(std::move(node.mapped()));
  for (auto& start : waiting)
    if (!try_start(start)) starts_.emplace(id, std::move(start));
}

std::string Checkpoints::waits_for(ExperimentId id) const {
  auto pull = pulls_.find(id);
  if (!starts_.contains(id) || pull == pulls_.end()) return {};
  const auto& one = *pull->second;
  if (one.bytes.empty())
    return fmt::format("its checkpoint {} is being packed on {}", one.mark.name,
                       one.places[one.parts.size()].node);
  return fmt::format("its checkpoint {} is on its way from {}: {} of {} blocks are here",
                     one.mark.name, nodes_text(one.mark),
                     one.manifest.blocks.size() - one.blocks->left(), one.manifest.blocks.size());
}

void Checkpoints::pin(ExperimentId id, std::vector<uint32_t> versions) {
  pinned_.insert_or_assign(id, std::move(versions));
}

void Checkpoints::expire(ExperimentId id) {
  auto known = known_.find(id);
  auto kept = kept_checkpoints(*context_->ledger, id);
  if (known == known_.end() || !kept) return;
  auto pinned = pinned_.find(id);
  auto rule = checkpoint_rule(*known->second.record->spec);
  for (const auto& version : checkpoints_to_drop(
           *kept, rule, pinned == pinned_.end() ? std::vector<uint32_t>{} : pinned->second))
    drop(version);
}

void Checkpoints::drop(const DatasetVersion& version) {
  ports_.commit({storage::DropDataset{version.name, version.version}},
                [this, version](Result<void> done) {
                  if (!done) return;  // the next one that comes tries again
                  auto id = dataset::content_id_from(version.digest);
                  if (!id || is_version(*context_->ledger, version.digest)) return;
                  std::vector<dataset::ContentId> coming;
                  for (const auto& [of, pull] : pulls_)
                    for (const auto& block : pull->manifest.blocks) coming.push_back(block.id);
                  auto removed = context_->data->remove_version(*id, coming);
                  if (!removed) log::warning("checkpoints", "{}", to_string(removed.error()));
                });
}

}  // namespace troupe::actors
