#include "actors/worker/data_source.hpp"

#include "actors/bulk_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>

namespace troupe::actors {

namespace {

// Of one block of 64 MiB, or a manifest of 512, over a slow line; a stream that stands still ends
// much sooner.
constexpr auto answer_limit = std::chrono::minutes{50};
constexpr auto head_name = "the head";

using dataset::Block;
using dataset::ContentId;

class LocalVersion final : public VersionSource {
 public:
  LocalVersion(dataset::DatasetStore store, const ContentId& id)
      : store_{std::move(store)}, id_{id} {}
  Result<std::string> manifest() override { return store_.manifest_bytes(id_); }
  Result<void> block(uint32_t, const Block& block, char* to) override {
    return store_.blocks().read(block.id, 0, to, block.bytes());
  }
  Givers givers() const override { return {{head_name}, {}}; }

 private:
  dataset::DatasetStore store_;
  ContentId id_;
};

class RemoteVersion final : public VersionSource {
 public:
  RemoteVersion(std::shared_ptr<cluster::BulkPort> head, const ContentId& id)
      : head_{std::move(head)}, id_{id} {}
  Result<std::string> manifest() override {
    return ask_and_wait(*head_, ask_manifest(to_string(id_)), dataset::limits::manifest_bytes_max,
                        answer_limit);
  }
  Result<void> block(uint32_t, const Block& block, char* to) override {
    return ask_into(*head_, ask_block(to_string(block.id)), to, block.bytes(), answer_limit);
  }
  Givers givers() const override { return {{head_name}, {}}; }

 private:
  std::shared_ptr<cluster::BulkPort> head_;
  ContentId id_;
};

}  // namespace

bool VersionSource::refused(uint32_t) {
  return false;
}

std::unique_ptr<VersionSource> LocalData::version(const ContentId& id) {
  return std::make_unique<LocalVersion>(store_, id);
}

std::unique_ptr<VersionSource> RemoteData::version(const ContentId& id) {
  return std::make_unique<RemoteVersion>(head_, id);
}

Result<std::string> ask_and_wait(cluster::BulkPort& port, cluster::BulkRequest request, size_t most,
                                 std::chrono::milliseconds limit) {
  cluster::BulkQuestion question;
  question.request = std::move(request);
  question.bytes_max = most;
  question.limit = limit;
  auto answer = port.ask_here(std::move(question));
  if (!answer) return std::move(answer).error();
  return std::move(answer->bytes);
}

namespace {

/// The place that a stream's pieces go to, for as long as whoever waits for it does: one more may
/// come behind a time-out.
struct Landing {
  Landing(char* place, size_t bytes) : to{place}, count{bytes} {}
  std::mutex mutex;
  char* to;  // null: nobody waits any more
  const size_t count;
  size_t done = 0;
};

}  // namespace

Result<void> ask_into(cluster::BulkPort& port, cluster::BulkRequest request, char* to, size_t count,
                      std::chrono::milliseconds limit) {
  auto landing = std::make_shared<Landing>(to, count);
  auto other_size = [of = request.of] {
    return Error{Errc::corrupt, fmt::format("block {} was refused", of),
                 "it has another size than its manifest says", "push the data again"};
  };
  cluster::BulkQuestion question;
  question.request = std::move(request);
  question.limit = limit;
  question.take = [landing, other_size](std::string piece) -> Result<void> {
    std::lock_guard guard{landing->mutex};
    if (landing->to == nullptr || piece.size() > landing->count - landing->done)
      return other_size();
    std::memcpy(landing->to + landing->done, piece.data(), piece.size());
    landing->done += piece.size();
    return ok();
  };
  question.take_is_quick = true;
  auto answer = port.ask_here(std::move(question));
  std::lock_guard guard{landing->mutex};
  landing->to = nullptr;
  if (!answer) return std::move(answer).error();
  return landing->done == landing->count ? ok() : other_size();
}

}  // namespace troupe::actors
