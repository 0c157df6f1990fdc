#include "actors/head/block_fetch.hpp"

#include <utility>

namespace troupe::actors {

namespace {

// Packing reads everything once: a terabyte in this time on an ordinary disk.
constexpr auto pack_timeout = std::chrono::hours{1};
constexpr auto block_timeout = std::chrono::minutes{2};
constexpr uint64_t manifest_bytes_max = 512u << 20;
constexpr uint64_t block_bytes_max = 64u << 20;

cluster::BulkQuestion question_of(cluster::BulkRequest request, uint64_t bytes_max,
                                  std::chrono::milliseconds limit) {
  cluster::BulkQuestion question;
  question.request = std::move(request);
  question.bytes_max = bytes_max;
  question.limit = limit;
  return question;
}

}  // namespace

cluster::BulkQuestion manifest_question(cluster::BulkRequest request) {
  return question_of(std::move(request), manifest_bytes_max, pack_timeout);
}

cluster::BulkQuestion block_question(cluster::BulkRequest request) {
  return question_of(std::move(request), block_bytes_max, block_timeout);
}

BlockFetch::BlockFetch(HeadContextRef context, const dataset::Manifest& manifest)
    : context_{std::move(context)} {
  for (const auto& block : manifest.blocks) {
    if (context_->data->blocks().touch(block.id)) continue;
    lacking_.push_back(block.id);
    bytes_lacked_ += block.bytes();
  }
  lacked_ = lacking_.size();
}

void BlockFetch::start(size_t in_flight_max, Ask ask, Done done) {
  in_flight_max_ = in_flight_max;
  ask_ = std::move(ask);
  done_ = std::move(done);
  next();
}

void BlockFetch::next() {
  while (done_ && in_flight_ < in_flight_max_ && !lacking_.empty()) {
    auto id = lacking_.front();
    lacking_.pop_front();
    ++in_flight_;
    ask_(id, [self = shared_from_this(), id](Result<cluster::BulkAnswer> answer) {
      self->came(id, std::move(answer));
    });
  }
  if (left() == 0) end(ok());
}

void BlockFetch::came(const dataset::ContentId& id, Result<cluster::BulkAnswer> answer) {
  --in_flight_;
  if (!done_) return;
  if (!answer) return end(std::move(answer).error());
  if (auto stored = context_->data->blocks().put(id, answer->bytes); !stored)
    return end(stored.error());
  next();
}

void BlockFetch::end(Result<void> result) {
  auto done = std::exchange(done_, nullptr);
  stop();
  if (done) done(std::move(result));
}

/// What it asks with holds whoever holds this.
void BlockFetch::stop() {
  done_ = nullptr;
  ask_ = nullptr;
}

}  // namespace troupe::actors
