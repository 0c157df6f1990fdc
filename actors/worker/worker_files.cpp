#include "actors/worker/worker_files.hpp"

#include "actors/bulk_words.hpp"
#include "actors/worker/cache_files.hpp"
#include "actors/worker/keeper_tasks.hpp"
#include "actors/worker/output_packs.hpp"
#include "runtime/process/log_store.hpp"
#include "storage/output_tree.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

using Opened = Result<std::unique_ptr<cluster::BulkSource>>;
using cluster::BulkEnd;
using cluster::BulkRequest;

// One answer is gathered in the head's memory.
constexpr uint64_t answer_bytes_max = 4u << 20;
constexpr uint64_t names_bytes_max = 4u << 20;
constexpr uint64_t listed_max = 10'000;

std::unique_ptr<cluster::BulkSource> text(std::string bytes, BulkEnd end) {
  return std::make_unique<BulkText>(std::move(bytes), end);
}

Opened open_log(const WorkerPaths& paths, const BulkRequest& request) {
  auto job = parse_job_id(request.of);
  if (!job) return std::move(job).error();
  auto limit = static_cast<size_t>(std::min(request.limit, answer_bytes_max));
  auto slice = process::LogReader{paths.log(*job)}.read(request.offset, limit);
  if (!slice) return std::move(slice).error();
  return text(std::move(slice->bytes), {slice->next_offset, 0, true});
}

Opened open_log_tail(const WorkerPaths& paths, const BulkRequest& request) {
  auto job = parse_job_id(request.of);
  if (!job) return std::move(job).error();
  auto offset = process::LogReader{paths.log(*job)}.tail_offset(request.limit);
  if (!offset) return std::move(offset).error();
  return text("", {*offset, 0, true});
}

Opened open_outputs(const WorkerPaths& paths, const BulkRequest& request) {
  auto id = parse_experiment_id(request.of);
  if (!id) return std::move(id).error();
  auto limit = static_cast<size_t>(std::min(request.limit, listed_max));
  auto listing = storage::list_outputs(paths.output(*id), request.path, limit);
  if (!listing) return std::move(listing).error();
  std::string bytes;
  uint64_t count = 0;
  for (const auto& file : listing->files) {
    put_output(bytes, file);
    ++count;
    if (bytes.size() >= names_bytes_max) break;
  }
  bool more = listing->more || count < listing->files.size();
  return text(std::move(bytes), {more ? 1u : 0u, count, listing->complete});
}

Opened open_output(const WorkerPaths& paths, const BulkRequest& request) {
  auto id = parse_experiment_id(request.of);
  if (!id) return std::move(id).error();
  auto limit = static_cast<uint32_t>(std::min(request.limit, answer_bytes_max));
  auto chunk = storage::read_output(paths.output(*id), request.path, request.offset, limit);
  if (!chunk) return std::move(chunk).error();
  auto next = request.offset + chunk->bytes.size();
  return text(std::move(chunk->bytes), {next, chunk->size, true});
}

Opened open_pack(OutputPacks& packs, const WorkerPaths& paths, const BulkRequest& request) {
  auto id = parse_experiment_id(request.of);
  if (!id) return std::move(id).error();
  bool whole = request.what == "pack";
  auto folder = paths.output(*id);
  auto pack = whole ? packs.pack(*id, folder) : packs.last(*id, folder);
  if (!pack) return std::move(pack).error();
  if (whole) return text(dataset::manifest_bytes((**pack).manifest()), {});
  auto block = dataset::content_id_from(request.path);
  if (!block)
    return Error{Errc::invalid, "this is no digest", request.path.substr(0, 80),
                 "give 64 hexadecimal digits"};
  auto payload = (**pack).block(*block);
  if (!payload) return std::move(payload).error();
  return text(std::move(*payload), {});
}

Opened open_kept(const WorkerPaths& paths) {
  return text(kept_text(kept_use(paths)), {outputs_place(paths), disk_free(paths.dir), true});
}

Opened open_unkeep(const WorkerPaths& paths, const BulkRequest& request) {
  auto id = parse_experiment_id(request.of);
  if (!id) return std::move(id).error();
  auto freed = drop_outputs(paths, *id);
  if (!freed) return std::move(freed).error();
  return text("", {0, *freed, true});
}

Opened open_verify(const WorkerPaths& paths, const BulkRequest& request) {
  auto verified = verify_version(paths, request.of);
  if (!verified) return std::move(verified).error();
  bool good = verified->damaged.empty();
  return text(std::move(verified->damaged), {0, verified->bytes, good});
}

Opened open_version(const WorkerPaths& paths, const BulkRequest& request) {
  bool whole = request.what == "manifest";
  auto version = dataset::content_id_from(whole ? request.of : request.path);
  if (!version)
    return Error{Errc::invalid, "this is no dataset version", request.path.substr(0, 80),
                 "give 64 hexadecimal digits"};
  auto file = dataset::SealedFile::open(paths.cache() + "/" + to_string(*version));
  if (!file) return std::move(file).error();
  const auto& manifest = (**file).manifest();
  if (whole) return text(dataset::manifest_bytes(manifest), {});
  if (request.offset >= manifest.blocks.size())
    return Error{Errc::not_found, "that block is not here", "its version has fewer", ""};
  return text(std::string{(**file).block(static_cast<uint32_t>(request.offset))}, {});
}

Opened open_checkpoint(OutputPacks& packs, const WorkerPaths& paths, const BulkRequest& request) {
  auto id = parse_experiment_id(request.of);
  if (!id) return std::move(id).error();
  auto folder = paths.checkpoints(*id);
  auto made_us = static_cast<int64_t>(request.offset);
  if (request.what == "checkpoint") {
    auto pack = packs.pack_checkpoint(*id, folder, {request.path, made_us});
    if (!pack) return std::move(pack).error();
    return text(dataset::manifest_bytes((**pack).manifest()), {});
  }
  auto slash = request.path.find('/');
  auto block = dataset::content_id_from(request.path.substr(0, slash));
  if (!block || slash == std::string::npos)
    return Error{Errc::invalid, "this is no block of a checkpoint", request.path.substr(0, 80),
                 "give its digest, '/' and the checkpoint's name"};
  auto pack = packs.last_checkpoint(*id, folder, {request.path.substr(slash + 1), made_us});
  if (!pack) return std::move(pack).error();
  auto payload = (**pack).block(*block);
  if (!payload) return std::move(payload).error();
  return text(std::move(*payload), {});
}

}  // namespace

cluster::BulkOpen worker_files(WorkerPaths paths) {
  return [paths = std::move(paths), packs = std::make_shared<OutputPacks>()](
             const std::string&, const BulkRequest& request) -> Opened {
    if (request.what == "log") return open_log(paths, request);
    if (request.what == "log_tail") return open_log_tail(paths, request);
    if (request.what == "outputs") return open_outputs(paths, request);
    if (request.what == "output") return open_output(paths, request);
    if (request.what == "pack" || request.what == "packed")
      return open_pack(*packs, paths, request);
    if (request.what == "kept") return open_kept(paths);
    if (request.what == "unkeep") return open_unkeep(paths, request);
    if (request.what == "verify") return open_verify(paths, request);
    if (request.what == "manifest" || request.what == "block") return open_version(paths, request);
    if (request.what == "checkpoint" || request.what == "checkpoint_block")
      return open_checkpoint(*packs, paths, request);
    return Error{Errc::refused, "a worker has no \"" + request.what.substr(0, 64) + "\"",
                 "it gives what it keeps of jobs and datasets",
                 "are head and worker of one version?"};
  };
}

}  // namespace troupe::actors
