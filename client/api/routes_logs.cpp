// Logs: one piece, or followed until the end.
#include "client/api/convert.hpp"
#include "client/api/log_lines.hpp"
#include "client/api/router.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::api {

namespace {

constexpr uint64_t piece_default = 1u << 20;
constexpr uint64_t piece_max = 4u << 20;  // the answer to one request is held in memory
constexpr uint64_t tail_max = 1'000'000;

struct Asked {
  JobId job;
  std::string job_text;
  uint64_t offset = 0;
  uint64_t tail = 0;
  uint32_t limit = 0;
  bool follow = false;
  bool ndjson = false;

  std::string render(std::string_view stored) const {
    return ndjson ? log_as_ndjson(stored, job_text) : log_as_text(stored);
  }
  kj::StringPtr type() const {
    return ndjson ? "application/x-ndjson" : "text/plain; charset=utf-8";
  }
};

Result<Asked> read(Exchange& x) {
  auto id = x.id();
  if (!id) return std::move(id).error();
  Asked asked;
  auto name = x.text("job");
  if (name.empty()) name = "worker.0";
  auto text = to_string(*id) + ".";
  auto job = parse_job_id(name.starts_with(text) ? name : text + name);
  if (!job) return std::move(job).error();
  asked.job = std::move(*job);
  asked.job_text = to_string(asked.job);
  auto offset = x.number("offset", 0, UINT64_MAX);
  if (!offset) return std::move(offset).error();
  auto limit = x.number("limit", piece_default, piece_max);
  if (!limit) return std::move(limit).error();
  auto tail = x.number("tail", UINT64_MAX, tail_max);
  if (!tail) return std::move(tail).error();
  auto follow = x.flag("follow");
  if (!follow) return std::move(follow).error();
  asked.offset = *offset;
  asked.limit = static_cast<uint32_t>(*limit);
  asked.tail = *tail;
  asked.follow = *follow;
  asked.ndjson = x.accept.find("ndjson") != std::string::npos;
  return asked;
}

/// A followed log while it is being written. Held by its promise.
struct Follower {
  Exchange& x;
  Asked asked;
  kj::Own<kj::AsyncOutputStream> stream;

  kj::Promise<void> next() {
    return x.service()
        .logs(x.caller, asked.job, asked.offset, static_cast<uint32_t>(limits::chunk_bytes), true)
        .then([this](Result<LogChunk>&& chunk) -> kj::Promise<void> {
          // The answer has begun: all that is left to say it with is its end.
          if (!chunk) return kj::READY_NOW;
          bool moved = chunk->next_offset != asked.offset;
          asked.offset = chunk->next_offset;
          return x.write(*stream, asked.render(chunk->bytes))
              .then([this, moved, end = chunk->end]() -> kj::Promise<void> {
                if (end) return kj::READY_NOW;
                if (moved) return next();
                // Also when the service answers "nothing" at once, this must not spin.
                return x.shared().timer.afterDelay(20 * kj::MILLISECONDS).then([this] {
                  return next();
                });
              });
        });
  }
};

kj::Promise<void> send_piece(Exchange& x, const Asked& asked, const LogChunk& chunk) {
  auto text = asked.render(chunk.bytes);
  auto headers = x.headers(asked.type());
  auto number = fmt::to_string(chunk.next_offset);
  headers.set(x.shared().ids.next_offset, kj::heapString(number.data(), number.size()));
  headers.set(x.shared().ids.log_end, chunk.end ? "true" : "false");
  auto stream = x.start(200, headers, uint64_t{text.size()});
  auto done = x.write(*stream, std::move(text));
  return done.attach(kj::mv(stream));
}

kj::Promise<void> begin(Exchange& x, Asked asked) {
  // The first piece is asked for without waiting, so that what is wrong still gets its status.
  auto first = x.service().logs(
      x.caller, asked.job, asked.offset,
      asked.follow ? static_cast<uint32_t>(limits::chunk_bytes) : asked.limit, false);
  return first.then(
      [&x, asked = std::move(asked)](Result<LogChunk>&& chunk) mutable -> kj::Promise<void> {
        if (!chunk) return x.send_error(chunk.error());
        if (!asked.follow || x.head) return send_piece(x, asked, *chunk);
        auto stream = x.start(200, x.headers(asked.type()));
        auto text = asked.render(chunk->bytes);
        asked.offset = chunk->next_offset;
        auto follower = kj::heap<Follower>(Follower{x, std::move(asked), kj::mv(stream)});
        auto& self = *follower;
        auto done = x.write(*self.stream, std::move(text))
                        .then([&self, end = chunk->end]() -> kj::Promise<void> {
                          if (end) return kj::READY_NOW;
                          return self.next();
                        });
        return done.exclusiveJoin(x.shared().stopping.addBranch()).attach(kj::mv(follower));
      });
}

kj::Promise<void> logs(Exchange& x) {
  auto asked = read(x);
  if (!asked) return x.send_error(asked.error());
  if (asked->tail == UINT64_MAX) return begin(x, std::move(*asked));
  auto lines = static_cast<uint32_t>(asked->tail);
  return x.service()
      .log_tail_offset(x.caller, asked->job, lines)
      .then([&x, asked = std::move(*asked)](Result<uint64_t>&& offset) mutable {
        if (!offset) return x.send_error(offset.error());
        asked.offset = *offset;
        return begin(x, std::move(asked));
      });
}

}  // namespace

void add_log_routes(std::vector<Route>& routes) {
  routes.push_back({kj::HttpMethod::GET,
                    "/api/v1/experiments/{id}/logs",
                    logs,
                    "The log of a job, as text or as JSON lines",
                    {"job", "offset", "limit", "follow", "tail"},
                    std::nullopt,
                    capnp::Schema::from<wire::LogLine>(),
                    "application/x-ndjson"});
}

}  // namespace troupe::api
