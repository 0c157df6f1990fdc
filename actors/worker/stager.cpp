#include "actors/worker/stager.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/process/log_store.hpp"
#include "storage/code_store.hpp"
#include "storage/output_tree.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <fmt/format.h>

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

constexpr auto fetch_timeout = std::chrono::seconds{30};
// ext4 does not reuse an inode for some seconds after its deletion, and looks past each such one
// whenever it makes a new one: deleting between starts made each start three times as dear.
constexpr auto sweep_after = std::chrono::seconds{1};
constexpr size_t litter_max = 20'000;

Result<void> make_dir(const std::string& path, unsigned mode = 0755) {
  if (::mkdir(path.c_str(), mode) == 0) return ok();
  if (errno == ENOENT) return make_dirs(path, mode);
  if (errno == EEXIST) return ok();
  return errno_error(errno, fmt::format("folder {} could not be made", path));
}

/// An attempt begins with empty folders, whatever the one before left.
Result<void> make_fresh_dir(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return ok();
  if (errno == EEXIST) TROUPE_TRY(remove_tree(path));
  return make_dir(path);
}

Result<void> write_small_file(const std::string& path, std::string_view bytes, unsigned mode) {
  auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (!file) return std::move(file).error();
  return write_all(file->get(), bytes);
}

bool is_empty_dir(const std::string& path) {
  auto* dir = ::opendir(path.c_str());
  if (dir == nullptr) return false;
  bool empty = true;
  while (const auto* entry = ::readdir(dir)) {
    std::string_view file{entry->d_name};
    empty = empty && (file == "." || file == "..");
  }
  ::closedir(dir);
  return empty;
}

Result<void> write_order(const std::string& path, const JobOrder& order) {
  std::vector<char> buffer;
  caf::binary_serializer sink{nullptr, buffer};
  if (auto error = sink(order))
    return Error{Errc::bug, "a job order could not be written",
                 fmt::format("code {}", error.code()), "please report"};
  // Neither synced nor renamed into place: it matters only to a restarted worker, which notices
  // half an order, and a machine that lost power runs no jobs.
  return write_small_file(path, {buffer.data(), buffer.size()}, 0600);
}

}  // namespace

Result<JobOrder> read_order(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return std::move(bytes).error();
  JobOrder order;
  caf::binary_deserializer source{nullptr, bytes->data(), bytes->size()};
  if (auto error = source(order))
    return Error{Errc::corrupt, fmt::format("{} could not be read", path),
                 "it is not a whole job order", "the job is stopped and started afresh"};
  return order;
}

stager_actor::behavior_type StagerState::make_behavior(WorkerContextRef context) {
  context_ = std::move(context);
  return {
      [this](stage_atom, const JobOrder& order) -> caf::result<std::string> {
        auto work = stage(order);
        if (!work) return to_caf(work.error());
        return std::move(*work);
      },
      [this](clean_atom, const JobKey& key, bool was_stopped) {
        sweep_later(context_->paths.work(key.job));
        sweep_later(context_->paths.scratch(key.job));
        litter_.push_back(context_->paths.token(key.job));
        if (was_stopped) litter_.push_back(context_->paths.stop_file(key.job));
        arm_sweep();
      },
      [this](forget_atom, const JobKey& key) {
        litter_.push_back(context_->paths.order(key.job));
        arm_sweep();
      },
      [this](flush_atom) {
        sweep_armed_ = false;
        // Not while jobs are being staged one after the other, unless it has become much.
        if (std::exchange(staged_since_, false) && litter_.size() < litter_max) return arm_sweep();
        sweep();
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

/// What holds data goes at once; what is empty can wait.
void StagerState::sweep_later(const std::string& dir) {
  if (is_empty_dir(dir))
    litter_.push_back(dir);
  else
    (void)remove_tree(dir);
}

void StagerState::arm_sweep() {
  if (!std::exchange(sweep_armed_, true)) self_->delayed_send(self_, sweep_after, flush_atom_v);
}

void StagerState::sweep() {
  for (const auto& path : std::exchange(litter_, {}))
    if (::unlink(path.c_str()) != 0) ::rmdir(path.c_str());
}

Result<void> StagerState::make_folders(const JobOrder& order) {
  const auto& paths = context_->paths;
  const auto& job = order.key.job;
  TROUPE_TRY(make_dir(paths.job(job)));
  TROUPE_TRY(make_fresh_dir(paths.scratch(job)));
  TROUPE_TRY(make_dir(paths.output(job.experiment)));
  TROUPE_TRY(make_dir(paths.output(job.experiment) + "/checkpoints"));
  if (order.attempt > 1) {
    ::unlink(paths.metrics(job).c_str());
    ::unlink(paths.stop_file(job).c_str());
    ::unlink(paths.token(job).c_str());
  }
  return ok();
}

Result<std::string> StagerState::stage(const JobOrder& order) {
  if (order.attempt > 1)
    sweep();  // what the attempt before left must not be swept from under this one
  staged_since_ = true;
  const auto& paths = context_->paths;
  const auto& job = order.key.job;
  TROUPE_TRY(make_folders(order));
  TROUPE_TRY(write_order(paths.order(job), order));
  TROUPE_TRY(write_small_file(paths.token(job), order.token, 0400));
  auto work = paths.work(job);
  if (order.code_digest.empty()) {
    TROUPE_TRY(make_fresh_dir(work));
  } else {
    TROUPE_TRY(remove_tree(work));
    TROUPE_TRY(fetch_code(order.code_digest, work));
  }
  return work;
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
