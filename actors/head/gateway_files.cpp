// Logs, outputs and code: what the gateway fetches from nodes and the code store, piece by piece.
#include "actors/head/gateway_service.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

constexpr auto read_timeout = std::chrono::seconds{30};
// How long an answer to `wait` may be held; clients ask again.
constexpr auto wait_max = 2 * kj::SECONDS;

/// Where the newest attempt has this job; empty where it has none such, or there is no attempt.
std::string node_of(const ExperimentRecord& record, const JobId& job) {
  if (record.attempts.empty()) return {};
  for (const auto& placed : record.attempts.back().jobs)
    if (placed.index == job.index && placed.role == job.role) return placed.node;
  return {};
}

Error job_may_not_upload() {
  return Error{Errc::refused, "a job's token may not upload code",
               "it is good for its own experiment alone", "use your own login"};
}

}  // namespace

kj::Promise<Result<node_actor>> GatewayService::node(const std::string& name) {
  return bridge_.ask<node_actor>(peers_.registry, read_timeout, fmt::format("node {}", name),
                                 find_atom_v, name);
}

/// The log where no node has to be asked: the job has not been placed yet, or never was.
kj::Promise<Result<api::LogChunk>> GatewayService::logs_elsewhere(ExperimentRecord record,
                                                                  uint64_t offset, bool wait) {
  api::LogChunk chunk;
  chunk.next_offset = offset;
  chunk.end = is_terminal(record.state);
  if (chunk.end || !wait) return Result<api::LogChunk>{std::move(chunk)};
  return events_after(context_->ledger->last_event())
      .exclusiveJoin(timer_.afterDelay(wait_max))
      .then(
          [chunk = std::move(chunk)]() mutable { return Result<api::LogChunk>{std::move(chunk)}; });
}

kj::Promise<Result<api::LogChunk>> GatewayService::logs(const api::Caller& caller, const JobId& job,
                                                        uint64_t offset, uint32_t limit,
                                                        bool wait) {
  auto record = experiment(caller, job.experiment);
  if (!record) return Result<api::LogChunk>{std::move(record).error()};
  auto on = node_of(*record, job);
  if (on.empty()) {
    if (!record->attempts.empty())
      return Result<api::LogChunk>{Error{Errc::not_found,
                                         fmt::format("job {} not found", to_string(job)),
                                         fmt::format("{} has {} jobs", to_string(job.experiment),
                                                     record->attempts.back().jobs.size()),
                                         fmt::format("troupe show {}", to_string(job.experiment))}};
    return logs_elsewhere(std::move(*record), offset, wait);
  }
  bool over = is_terminal(record->state);
  auto last_event = context_->ledger->last_event();
  return node(on).then([=, this](Result<node_actor> handle) -> kj::Promise<Result<api::LogChunk>> {
    if (!handle) return Result<api::LogChunk>{std::move(handle).error()};
    return bridge_
        .ask<LogReply>(*handle, read_timeout, "a log", log_atom_v, job, offset, limit, wait)
        .then([=, this](Result<LogReply> reply) -> kj::Promise<Result<api::LogChunk>> {
          if (!reply) return Result<api::LogChunk>{std::move(reply).error()};
          api::LogChunk chunk{std::move(reply->bytes), reply->next_offset, false};
          chunk.end = chunk.bytes.empty() && !reply->running && over;
          if (!wait || chunk.end || !chunk.bytes.empty() || reply->running)
            return Result<api::LogChunk>{std::move(chunk)};
          // The job is between two lives, or its end is being recorded: news will come as an event.
          return events_after(last_event)
              .exclusiveJoin(timer_.afterDelay(wait_max))
              .then([chunk = std::move(chunk)]() mutable {
                return Result<api::LogChunk>{std::move(chunk)};
              });
        });
  });
}

kj::Promise<Result<uint64_t>> GatewayService::log_tail_offset(const api::Caller& caller,
                                                              const JobId& job, uint32_t lines) {
  auto record = experiment(caller, job.experiment);
  if (!record) return Result<uint64_t>{std::move(record).error()};
  auto on = node_of(*record, job);
  if (on.empty()) return Result<uint64_t>{uint64_t{0}};
  return node(on).then([=, this](Result<node_actor> handle) -> kj::Promise<Result<uint64_t>> {
    if (!handle) return Result<uint64_t>{std::move(handle).error()};
    return bridge_.ask<uint64_t>(*handle, read_timeout, "a log", tail_atom_v, job, lines);
  });
}

kj::Promise<Result<api::OutputList>> GatewayService::outputs(const api::Caller& caller,
                                                             ExperimentId id) {
  using Answer = Result<api::OutputList>;
  auto record = experiment(caller, id);
  if (!record) return Answer{std::move(record).error()};
  if (record->attempts.empty()) return Answer{api::OutputList{}};
  return node(record->attempts.back().jobs.front().node)
      .then([=, this](Result<node_actor> handle) -> kj::Promise<Answer> {
        if (!handle) return Answer{std::move(handle).error()};
        return bridge_
            .ask<std::vector<OutputItem>>(*handle, read_timeout, "the outputs", outputs_atom_v, id)
            .then([](Result<std::vector<OutputItem>> items) -> Answer {
              if (!items) return std::move(items).error();
              api::OutputList list;
              list.complete = items->empty() || !items->back().path.empty();
              if (!list.complete) items->pop_back();
              for (auto& item : *items)
                list.entries.push_back({std::move(item.path), item.size,
                                        Timestamp{item.modified_us}, item.is_link,
                                        std::move(item.target)});
              return list;
            });
      });
}

kj::Promise<Result<api::FileChunk>> GatewayService::read_output(const api::Caller& caller,
                                                                ExperimentId id, std::string path,
                                                                uint64_t offset, uint32_t limit) {
  using Answer = Result<api::FileChunk>;
  auto record = experiment(caller, id);
  if (!record) return Answer{std::move(record).error()};
  if (record->attempts.empty())
    return Answer{Error{Errc::not_found, fmt::format("{} has no file {}", to_string(id), path),
                        "it never ran", fmt::format("troupe out ls {}", to_string(id))}};
  return node(record->attempts.back().jobs.front().node)
      .then([=, this, path = std::move(path)](Result<node_actor> handle) -> kj::Promise<Answer> {
        if (!handle) return Answer{std::move(handle).error()};
        return bridge_
            .ask<FilePiece>(*handle, read_timeout, "an output", output_atom_v, id, path, offset,
                            limit)
            .then([](Result<FilePiece> piece) -> Answer {
              if (!piece) return std::move(piece).error();
              return api::FileChunk{std::move(piece->bytes), piece->size};
            });
      });
}

Result<std::vector<std::string>> GatewayService::missing_blobs(const api::Caller& caller,
                                                               std::vector<std::string> digests) {
  if (caller.job) return job_may_not_upload();
  return context_->code->missing(digests);
}

kj::Promise<Result<void>> GatewayService::put_blob(const api::Caller& caller, std::string digest,
                                                   std::string bytes) {
  if (caller.job) return Result<void>{job_may_not_upload()};
  return bridge_
      .ask<bool>(peers_.code, read_timeout, "an upload", store_atom_v,
                 share(std::pair{std::move(digest), std::move(bytes)}))
      .then([](Result<bool> stored) -> Result<void> {
        if (!stored) return std::move(stored).error();
        return ok();
      });
}

kj::Promise<Result<std::string>> GatewayService::put_manifest(const api::Caller& caller,
                                                              std::string text) {
  if (caller.job) return Result<std::string>{job_may_not_upload()};
  // Syncing many blobs takes its time.
  constexpr auto sync_timeout = std::chrono::seconds{120};
  return bridge_.ask<std::string>(peers_.code, sync_timeout, "an upload", manifest_atom_v,
                                  share(std::move(text)));
}

Result<std::string> GatewayService::get_manifest(const api::Caller&, const std::string& digest) {
  return context_->code->manifest(digest);
}

Result<api::FileChunk> GatewayService::get_blob(const api::Caller&, const std::string& digest,
                                                uint64_t offset, uint32_t limit) {
  auto chunk = context_->code->read_blob(digest, offset, limit);
  if (!chunk) return std::move(chunk).error();
  return api::FileChunk{std::move(chunk->bytes), chunk->size};
}

}  // namespace troupe::actors
