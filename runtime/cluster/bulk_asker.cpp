#include "runtime/cluster/bulk_asker.hpp"

#include "runtime/cluster/kj_text.hpp"
#include "runtime/core/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cluster {

namespace {

// An idle connection may have died unseen; with each try one less is left of them.
constexpr uint32_t tries_max = BulkAsker::streams_max + 1;
// A peer that is there has a connection for us in milliseconds.
constexpr auto connection_patience = 5 * kj::SECONDS;

}  // namespace

BulkAsker::~BulkAsker() noexcept {
  for (auto& pending : std::exchange(open_, {})) pending->question->done(nobody());
}

Error BulkAsker::nobody() const {
  return Error{Errc::unavailable, fmt::format("{} cannot be asked for files", peer_),
               "there is no connection to it", "try again"};
}

void BulkAsker::ask(BulkQuestion question) {
  if (bulk_body(question.request).size() > bulk_small_frame_max)
    return question.done(Error{Errc::invalid, fmt::format("{} was not asked", peer_),
                               "the question is too long", "use shorter names"});
  if (waiting_.size() >= waiting_max) return question.done(bulk_too_busy(question.request));
  auto pending = std::make_shared<Pending>();
  pending->until = timer_.now() + question.limit.count() * kj::MILLISECONDS;
  pending->question = std::make_shared<BulkQuestion>(std::move(question));
  open_.push_back(pending);
  waiting_.push_back(pending);
  begin();
  if (!waiting_.empty()) arm(std::min(pending->until, timer_.now() + connection_patience));
}

void BulkAsker::offer(std::unique_ptr<BulkStream> stream) {
  // The oldest has most likely died without a word.
  if (streams() >= streams_max && !idle_.empty()) idle_.pop_front();
  if (streams() >= streams_max) return;
  idle_.push_back(std::move(stream));
  begin();
}

void BulkAsker::begin() {
  while (!waiting_.empty() && !idle_.empty()) {
    auto pending = std::move(waiting_.front());
    waiting_.pop_front();
    auto stream = std::move(idle_.back());
    idle_.pop_back();
    tasks_.add(run(std::move(pending), std::move(stream)));
  }
  if (!waiting_.empty()) wanted_();
}

kj::Promise<void> BulkAsker::run(PendingRef pending, std::unique_ptr<BulkStream> stream) {
  ++busy_;
  auto& asked = *stream;
  auto left = std::max(pending->until - timer_.now(), 1 * kj::MILLISECONDS);
  return timer_.timeoutAfter(left, asked.ask(pending->question))
      .then(
          [this, pending, stream = std::move(stream)](Result<BulkAnswer> answer) mutable {
            --busy_;
            if (stream->answer_ended()) idle_.push_back(std::move(stream));
            stream.reset();
            finish(pending, std::move(answer));
          },
          [this, pending, &asked](kj::Exception&& e) {
            --busy_;
            failed(pending, asked.answer_begun(), e);
          })
      .then([this] { begin(); });
}

/// Asks again where nothing of an answer had come: the connection was dead already.
void BulkAsker::failed(const PendingRef& pending, bool begun, const kj::Exception& exception) {
  bool slow = exception.getType() == kj::Exception::Type::OVERLOADED;
  if (!begun && !slow && ++pending->tries < tries_max && timer_.now() < pending->until) {
    waiting_.push_front(pending);
    arm(std::min(pending->until, timer_.now() + connection_patience));
    return;
  }
  if (slow) return finish(pending, bulk_too_slow(pending->question->request));
  finish(pending, Error{Errc::unavailable, fmt::format("files of {} were not fetched", peer_),
                        cause_of(exception), "try again"});
}

void BulkAsker::finish(const PendingRef& pending, Result<BulkAnswer> answer) {
  open_.remove(pending);
  pending->question->done(std::move(answer));
}

void BulkAsker::arm(kj::TimePoint until) {
  tasks_.add(timer_.atTime(until).then([this] { expire(); }));
}

void BulkAsker::expire() {
  auto now = timer_.now();
  auto over = [&](const PendingRef& pending) {
    auto limit = pending->question->limit.count() * kj::MILLISECONDS;
    return now >= pending->until ||
           (streams() == 0 && now >= pending->until - limit + connection_patience);
  };
  std::vector<PendingRef> gone;
  for (const auto& pending : waiting_)
    if (over(pending)) gone.push_back(pending);
  std::erase_if(waiting_, over);
  for (const auto& pending : gone)
    finish(pending, streams() == 0 ? nobody() : bulk_too_busy(pending->question->request));
  // Those that wait on, because others are being answered, are looked at once more at their end.
  if (!waiting_.empty()) arm(waiting_.front()->until);
}

void BulkAsker::taskFailed(kj::Exception&& exception) {
  log::error("cluster", "asking {} ended: {}", peer_, cause_of(exception));
}

}  // namespace troupe::cluster
