#include "actors/worker/stager.hpp"

#include "runtime/core/limits.hpp"
#include "runtime/process/log_store.hpp"
#include "storage/code_store.hpp"
#include "storage/output_tree.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr auto fetch_timeout = std::chrono::seconds{30};

}  // namespace

stager_actor::behavior_type StagerState::make_behavior(WorkerContextRef context) {
  context_ = std::move(context);
  slots_ = std::make_unique<JobSlots>(context_->paths, context_->name);
  return {
      [this](stage_atom, const JobOrder& order) -> caf::result<uint32_t> {
        auto slot = stage(order);
        if (!slot) return to_caf(slot.error());
        return *slot;
      },
      [this](clean_atom, const JobKey& key) { slots_->clean(key); },
      [this](forget_atom, const JobKeysRef& keys) {
        for (const auto& key : *keys) slots_->release(key);
      },
      [this](log_atom, const JobId& job, uint64_t offset, uint32_t limit) -> caf::result<LogReply> {
        auto reply = read_log(job, offset, limit);
        if (!reply) return to_caf(reply.error());
        return std::move(*reply);
      },
      [this](tail_atom, const JobId& job, uint32_t lines) -> caf::result<uint64_t> {
        auto offset = process::LogReader{context_->paths.log(job)}.tail_offset(lines);
        if (!offset) return to_caf(offset.error());
        return *offset;
      },
      [this](outputs_atom, ExperimentId id) -> caf::result<std::vector<OutputItem>> {
        auto listing = storage::list_outputs(context_->paths.output(id));
        if (!listing) return to_caf(listing.error());
        std::vector<OutputItem> items;
        for (auto& file : listing->files)
          items.push_back({std::move(file.path), file.size, file.modified.us, file.is_link,
                           std::move(file.target)});
        if (!listing->complete) items.push_back({});
        return items;
      },
      [this](output_atom, ExperimentId id, const std::string& path, uint64_t offset,
             uint32_t limit) -> caf::result<FilePiece> {
        auto count = std::min<uint32_t>(limit, limits::chunk_bytes);
        auto chunk = storage::read_output(context_->paths.output(id), path, offset, count);
        if (!chunk) return to_caf(chunk.error());
        return FilePiece{std::move(chunk->bytes), chunk->size};
      },
  };
}

Result<uint32_t> StagerState::stage(const JobOrder& order) {
  auto slot = slots_->take(order);
  if (slot && !order.code_digest.empty())
    TROUPE_TRY(fetch_code(order.code_digest, context_->paths.work(*slot)));
  return slot;
}

Result<std::string> StagerState::fetch(bool manifest, const std::string& digest, uint64_t offset) {
  Result<std::string> result{std::string{}};
  caf::scoped_actor self{self_->system()};
  auto take = [&](FilePiece& piece) { result = std::move(piece.bytes); };
  auto fail = [&](caf::error& e) { result = from_caf(e, fmt::format("fetching code {}", digest)); };
  auto limit = static_cast<uint32_t>(limits::chunk_bytes);
  if (manifest)
    self->request(context_->code, fetch_timeout, manifest_atom_v, digest, offset, limit)
        .receive(take, fail);
  else
    self->request(context_->code, fetch_timeout, blob_atom_v, digest, offset, limit)
        .receive(take, fail);
  return result;
}

Result<void> StagerState::fetch_code(const std::string& digest, const std::string& target) {
  if (manifest_digest_ != digest) {
    std::string text;
    while (true) {
      auto piece = fetch(true, digest, text.size());
      if (!piece) return std::move(piece).error();
      if (piece->empty()) break;
      text += *piece;
    }
    auto manifest = parse_manifest(text);
    if (!manifest) return std::move(manifest).error();
    manifest_ = std::move(*manifest);
    manifest_digest_ = digest;
  }
  return storage::materialise(
      manifest_,
      [this](const std::string& blob, uint64_t offset) { return fetch(false, blob, offset); },
      target);
}

Result<LogReply> StagerState::read_log(const JobId& job, uint64_t offset, uint32_t limit) {
  auto slice = process::LogReader{context_->paths.log(job)}.read(
      offset, std::min<size_t>(limit, limits::chunk_bytes));
  if (!slice) return std::move(slice).error();
  return LogReply{std::move(slice->bytes), slice->next_offset, false};
}

stager_actor::behavior_type stager_behavior(stager_actor::stateful_pointer<StagerState> self,
                                            WorkerContextRef context) {
  return self->state.make_behavior(std::move(context));
}

}  // namespace troupe::actors
