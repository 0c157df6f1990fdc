// Logs, outputs and code: what the gateway fetches from nodes and the code store, piece by piece.
#include "actors/bulk_words.hpp"
#include "actors/head/gateway_service.hpp"
#include "actors/head/kept_books.hpp"
#include "actors/head/stored_outputs.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// How long an answer to `wait` may be held; clients ask again.
constexpr auto wait_max = 2 * kj::SECONDS;

/// Where the newest attempt has this job; empty where it has none such, or there is no attempt.
std::string node_of(const ExperimentRecord& record, const JobId& job) {
  if (record.attempts.empty()) return {};
  for (const auto& placed : record.attempts.back().jobs)
    if (placed.index == job.index && placed.role == job.role) return placed.node;
  return {};
}

/// Of a node that is away, or has no such file: neither has the head.
Error with_kept(Error error, const Error& kept) {
  if (error.code != Errc::unavailable || kept.code != Errc::not_found) return error;
  error.detail += fmt::format("; {}: {}", kept.what, kept.detail);
  return error;
}

/// Tokens of pages are paths in hexadecimal: JSON holds no path that is not UTF-8.
Result<std::string> path_of_token(const std::string& token) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string path;
  bool good = token.size() % 2 == 0 && token.size() <= 16'000;
  for (size_t i = 0; good && i < token.size(); i += 2) {
    good = digit(token[i]) >= 0 && digit(token[i + 1]) >= 0;
    path += static_cast<char>(digit(token[i]) << 4 | digit(token[i + 1]));
  }
  if (good) return path;
  return Error{Errc::invalid, "this page token is none of ours", "",
               "give the next_page_token of the page before"};
}

/// Its node cannot be asked: whatever the head has, with a word on that.
Result<api::OutputList> kept_list(const HeadContext& context, ExperimentId id,
                                  const std::string& after, uint32_t limit, const Error& away) {
  auto kept = StoredOutputs::open(*context.ledger, *context.data, id);
  if (!kept) return with_kept(away, kept.error());
  auto list = kept->list(after, limit);
  list.note = fmt::format("{}: {}", away.what,
                          kept->has_all() ? "these are the outputs as the head has them"
                                          : "of its outputs the head has these checkpoints alone");
  return list;
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

/// Files come over the bulk channel; that the node is here is asked of the registry, which knows
/// why where it is not.
kj::Promise<Result<cluster::BulkAnswer>> GatewayService::fetch(const std::string& on,
                                                               cluster::BulkRequest request) {
  using Answer = Result<cluster::BulkAnswer>;
  return node(on).then([this, on, request = std::move(request)](
                           Result<node_actor> handle) mutable -> kj::Promise<Answer> {
    if (!handle) return Answer{std::move(handle).error()};
    auto paf = kj::newPromiseAndCrossThreadFulfiller<Answer>();
    auto slot =
        std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<Answer>>>(kj::mv(paf.fulfiller));
    cluster::BulkQuestion question;
    question.request = std::move(request);
    question.limit = read_timeout;
    question.done = [slot](Answer answer) { (*slot)->fulfill(std::move(answer)); };
    peers_.ask_node(on, std::move(question));
    return kj::mv(paf.promise);
  });
}

kj::Promise<Result<api::LogChunk>> GatewayService::read_log(const std::string& on, const JobId& job,
                                                            uint64_t offset, uint32_t limit) {
  return fetch(on, ask_log(job, offset, limit))
      .then([](Result<cluster::BulkAnswer> answer) -> Result<api::LogChunk> {
        if (!answer) return std::move(answer).error();
        return api::LogChunk{std::move(answer->bytes), answer->end.next, false};
      });
}

/// There was nothing to be read: asks the node whether there will be.
kj::Promise<Result<api::LogChunk>> GatewayService::await_log(const std::string& on,
                                                             const JobId& job, uint64_t offset,
                                                             uint32_t limit, bool wait, bool over) {
  using Answer = Result<api::LogChunk>;
  auto last_event = context_->ledger->last_event();
  auto nothing_yet = [offset] { return Answer{api::LogChunk{"", offset, false}}; };
  return node(on)
      .then([=, this](Result<node_actor> handle) -> kj::Promise<Result<LogStatus>> {
        if (!handle) return Result<LogStatus>{std::move(handle).error()};
        return bridge_.ask<LogStatus>(*handle, read_timeout, "a log", log_atom_v, job, offset,
                                      wait);
      })
      .then([=, this](Result<LogStatus> status) -> kj::Promise<Answer> {
        if (!status) return Answer{std::move(status).error()};
        if (status->running && status->end <= offset) return nothing_yet();
        // What came meanwhile; of a job that has ended, all that ever will.
        return read_log(on, job, offset, limit)
            .then([=, this, running = status->running](Answer chunk) -> kj::Promise<Answer> {
              if (!chunk || !chunk->bytes.empty() || running) return chunk;
              chunk->end = over;
              if (over || !wait) return chunk;
              // It is between two lives, or its end is being recorded: news come as an event.
              return events_after(last_event)
                  .exclusiveJoin(timer_.afterDelay(wait_max))
                  .then([nothing_yet] { return nothing_yet(); });  // KJ would keep a reference
            });
      });
}

kj::Promise<Result<api::LogChunk>> GatewayService::logs(const api::Caller& caller, const JobId& job,
                                                        uint64_t offset, uint32_t limit,
                                                        bool wait) {
  using Answer = Result<api::LogChunk>;
  auto record = experiment(caller, job.experiment);
  if (!record) return Answer{std::move(record).error()};
  auto on = node_of(*record, job);
  if (on.empty()) {
    if (!record->attempts.empty())
      return Answer{Error{Errc::not_found, fmt::format("job {} not found", to_string(job)),
                          fmt::format("{} has {} jobs", to_string(job.experiment),
                                      record->attempts.back().jobs.size()),
                          fmt::format("troupe show {}", to_string(job.experiment))}};
    return logs_elsewhere(std::move(*record), offset, wait);
  }
  bool over = is_terminal(record->state);
  return read_log(on, job, offset, limit).then([=, this](Answer chunk) -> kj::Promise<Answer> {
    if (!chunk || !chunk->bytes.empty()) return chunk;
    return await_log(on, job, offset, limit, wait, over);
  });
}

kj::Promise<Result<uint64_t>> GatewayService::log_tail_offset(const api::Caller& caller,
                                                              const JobId& job, uint32_t lines) {
  auto record = experiment(caller, job.experiment);
  if (!record) return Result<uint64_t>{std::move(record).error()};
  auto on = node_of(*record, job);
  if (on.empty()) return Result<uint64_t>{uint64_t{0}};
  return fetch(on, ask_log_tail(job, lines))
      .then([](Result<cluster::BulkAnswer> answer) -> Result<uint64_t> {
        if (!answer) return std::move(answer).error();
        return answer->end.next;
      });
}

kj::Promise<Result<api::OutputList>> GatewayService::outputs(const api::Caller& caller,
                                                             ExperimentId id,
                                                             std::string page_token,
                                                             uint32_t limit) {
  using Answer = Result<api::OutputList>;
  auto record = experiment(caller, id);
  if (!record) return Answer{std::move(record).error()};
  auto after = path_of_token(page_token);
  if (!after) return Answer{std::move(after).error()};
  if (record->attempts.empty()) return Answer{api::OutputList{}};
  if (auto kept = check_outputs_kept(*context_->ledger, id); !kept) return Answer{kept.error()};
  return fetch(record->attempts.back().jobs.front().node, ask_outputs(id, *after, limit))
      .then([this, id, after = *after, limit](Result<cluster::BulkAnswer> answer) -> Answer {
        if (!answer && answer.error().code == Errc::unavailable)
          return kept_list(*context_, id, after, limit, answer.error());
        if (!answer) return std::move(answer).error();
        auto files = parse_outputs(answer->bytes);
        if (!files) return std::move(files).error();
        bool more = answer->end.next != 0 && !files->empty();
        api::OutputList list;
        list.complete = answer->end.complete && !more;
        if (more) list.next_page_token = hex(files->back().path);
        for (auto& file : *files)
          list.entries.push_back({std::move(file.path), file.size, file.modified, file.is_link,
                                  std::move(file.target)});
        return list;
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
  if (auto kept = check_outputs_kept(*context_->ledger, id); !kept) return Answer{kept.error()};
  return fetch(record->attempts.back().jobs.front().node, ask_output(id, path, offset, limit))
      .then([this, id, path, offset, limit](Result<cluster::BulkAnswer> answer) -> Answer {
        // (A checkpoint of an earlier attempt lies on another node.)
        if (!answer &&
            (answer.error().code == Errc::unavailable || answer.error().code == Errc::not_found)) {
          auto kept = StoredOutputs::open(*context_->ledger, *context_->data, id);
          if (kept) return kept->read(path, offset, limit);
          return with_kept(answer.error(), kept.error());
        }
        if (!answer) return std::move(answer).error();
        return api::FileChunk{std::move(answer->bytes), answer->end.size};
      });
}

Result<std::vector<std::string>> GatewayService::missing_blobs(const api::Caller& caller,
                                                               std::vector<std::string> digests) {
  if (caller.job) return job_may_not_upload();
  return context_->code->blobs().missing(digests);
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
  auto chunk = context_->code->blobs().read(digest, offset, limit);
  if (!chunk) return std::move(chunk).error();
  return api::FileChunk{std::move(chunk->bytes), chunk->size};
}

}  // namespace troupe::actors
