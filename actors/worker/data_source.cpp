#include "actors/worker/data_source.hpp"

#include "actors/bulk_words.hpp"

#include <algorithm>
#include <cstring>
#include <future>

namespace troupe::actors {

namespace {

// Of one block of 64 MiB, or a manifest of 512, over a slow line; a stream that stands still ends
// much sooner.
constexpr auto answer_limit = std::chrono::minutes{50};

/// Asks and waits; all of the answer.
Result<std::string> gathered(cluster::BulkPort& head, cluster::BulkRequest request, size_t most) {
  auto promise = std::make_shared<std::promise<Result<std::string>>>();
  auto answer = promise->get_future();
  cluster::BulkQuestion question;
  question.request = std::move(request);
  question.bytes_max = most;
  question.limit = answer_limit;
  question.done = [promise](Result<cluster::BulkAnswer> got) {
    if (got)
      promise->set_value(std::move(got->bytes));
    else
      promise->set_value(std::move(got).error());
  };
  head.ask(std::move(question));
  return answer.get();
}

Result<void> take_block(const dataset::ContentId& id, const Result<std::string>& bytes, char* to,
                        size_t count) {
  if (!bytes) return bytes.error();
  if (bytes->size() != count)
    return Error{Errc::corrupt, "block " + to_string(id) + " was refused",
                 "it has another size than its manifest says", "push the data again"};
  std::memcpy(to, bytes->data(), count);
  return ok();
}

}  // namespace

Result<std::string> LocalData::manifest(const dataset::ContentId& version) {
  return store_.manifest_bytes(version);
}

Result<void> LocalData::block(const dataset::ContentId& id, char* to, size_t count) {
  return store_.blocks().read(id, 0, to, count);
}

Result<std::string> RemoteData::manifest(const dataset::ContentId& version) {
  return gathered(*head_, ask_manifest(to_string(version)), dataset::limits::manifest_bytes_max);
}

Result<void> RemoteData::block(const dataset::ContentId& id, char* to, size_t count) {
  return take_block(id, gathered(*head_, ask_block(to_string(id)), count), to, count);
}

}  // namespace troupe::actors
