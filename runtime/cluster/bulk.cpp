#include "runtime/cluster/bulk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>

namespace troupe::cluster {

namespace {

std::string named(const BulkRequest& request) {
  return fmt::format("{} {}{}{}", request.what, request.of, request.path.empty() ? "" : " ",
                     request.path);
}

Result<BulkAnswer> answer_here(const BulkOpen& open, const BulkQuestion& question) {
  auto until = std::chrono::steady_clock::now() + question.limit;
  auto source = open("", question.request);
  if (!source) return std::move(source).error();
  BulkAnswer answer;
  while (true) {
    auto piece = (*source)->next();
    if (!piece) return std::move(piece).error();
    if (piece->empty()) break;
    if (question.take)
      TROUPE_TRY(question.take(std::move(*piece)));
    else
      TROUPE_TRY(gather(answer, question, *piece));
    if (std::chrono::steady_clock::now() > until) return bulk_too_slow(question.request);
  }
  answer.end = (*source)->end();
  return answer;
}

}  // namespace

Result<BulkAnswer> BulkPort::ask_here(BulkQuestion question) {
  auto promise = std::make_shared<std::promise<Result<BulkAnswer>>>();
  auto answer = promise->get_future();
  question.done = [promise](Result<BulkAnswer> got) { promise->set_value(std::move(got)); };
  ask(std::move(question));
  return answer.get();
}

void LocalBulk::ask(BulkQuestion question) {
  auto shared = std::make_shared<BulkQuestion>(std::move(question));
  bool posted =
      threads_->post([open = open_, shared] { shared->done(answer_here(open, *shared)); });
  if (!posted) shared->done(bulk_too_busy(shared->request));
}

Result<void> gather(BulkAnswer& answer, const BulkQuestion& question, std::string_view piece) {
  if (piece.size() >
      question.bytes_max - std::min<uint64_t>(question.bytes_max, answer.bytes.size()))
    return Error{Errc::exhausted, fmt::format("{} was not fetched", named(question.request)),
                 fmt::format("there are more than {} bytes of it", question.bytes_max),
                 "ask for less at a time"};
  answer.bytes += piece;
  return ok();
}

Error bulk_too_busy(const BulkRequest& request) {
  return Error{Errc::exhausted, fmt::format("{} was not fetched", named(request)),
               "too much else is being fetched", "try again"};
}

Error bulk_too_slow(const BulkRequest& request) {
  return Error{Errc::timed_out, fmt::format("{} was not fetched", named(request)),
               "it did not come in the time given", "try again"};
}

}  // namespace troupe::cluster
