#include "actors/worker/peer_files.hpp"

#include "actors/bulk_words.hpp"
#include "actors/worker/data_source.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

// So long a certificate is taken on the word of the head, and while that cannot be asked.
constexpr auto good_for = std::chrono::seconds{30};
constexpr auto good_without_head = std::chrono::minutes{10};
constexpr auto member_limit = std::chrono::seconds{5};
constexpr size_t members_max = 10'000;
constexpr size_t name_bytes_max = 256;

using Opened = Result<std::unique_ptr<cluster::BulkSource>>;

/// A block straight from the sealed file.
class BlockSource final : public cluster::BulkSource {
 public:
  BlockSource(std::shared_ptr<const dataset::SealedFile> file, uint32_t number)
      : file_{std::move(file)}, payload_{file_->block(number)} {}
  Result<std::string> next() override {
    std::string piece{payload_.substr(done_, cluster::bulk_piece_bytes)};
    done_ += piece.size();
    return piece;
  }
  cluster::BulkEnd end() override { return {0, done_, true}; }

 private:
  std::shared_ptr<const dataset::SealedFile> file_;
  std::string_view payload_;
  size_t done_ = 0;
};

Error not_here(const std::string& what) {
  return Error{Errc::not_found, what + " is not here", "it was removed, or never was",
               "ask the head"};
}

}  // namespace

Result<std::shared_ptr<const dataset::SealedFile>> GivenVersions::open(const std::string& digest) {
  if (!dataset::content_id_from(digest))
    return Error{Errc::invalid, "this is no dataset version", digest.substr(0, 80),
                 "give 64 hexadecimal digits"};
  std::lock_guard guard{mutex_};
  if (auto at = files_.find(digest); at != files_.end()) {
    at->second.used = ++uses_;
    return at->second.file;
  }
  auto file = dataset::SealedFile::open(paths_.cache() + "/" + digest);
  if (!file) return std::move(file).error();
  if (files_.size() >= open_max)
    files_.erase(std::min_element(files_.begin(), files_.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    }));
  files_[digest] = {*file, ++uses_};
  return std::move(*file);
}

void GivenVersions::drop(const std::string& digest) {
  std::lock_guard guard{mutex_};
  files_.erase(digest);
}

Result<void> Members::check(const std::string& common_name) {
  auto now = clock_->monotonic();
  auto known_for = [&](std::chrono::nanoseconds limit) {
    std::lock_guard guard{mutex_};
    auto at = good_.find(common_name);
    return at != good_.end() && now - at->second < limit;
  };
  if (known_for(good_for)) return ok();
  auto answer = ask_and_wait(*head_, ask_member(common_name), name_bytes_max, member_limit);
  if (answer) {
    std::lock_guard guard{mutex_};
    if (good_.size() >= members_max) good_.clear();
    good_[common_name] = now;
    return ok();
  }
  if (answer.error().code == Errc::refused || answer.error().code == Errc::not_found) {
    std::lock_guard guard{mutex_};
    good_.erase(common_name);
    return std::move(answer).error();
  }
  if (known_for(good_without_head)) return ok();
  return std::move(answer).error();
}

cluster::BulkOpen peer_files(std::shared_ptr<GivenVersions> given,
                             std::shared_ptr<Members> members) {
  return [given = std::move(given), members = std::move(members)](
             const std::string& peer, const cluster::BulkRequest& request) -> Opened {
    TROUPE_TRY(members->check(peer));
    if (request.what != "manifest" && request.what != "block")
      return Error{Errc::refused,
                   "a worker gives no \"" + request.what.substr(0, 64) + "\" to others",
                   "it gives blocks of datasets", "are both of one version?"};
    auto file = given->open(request.what == "manifest" ? request.of : request.path);
    if (!file) return std::move(file).error();
    const auto& manifest = (**file).manifest();
    if (request.what == "manifest") {
      auto bytes = dataset::manifest_bytes(manifest);
      auto size = bytes.size();
      return Opened{std::make_unique<BulkText>(std::move(bytes), cluster::BulkEnd{0, size, true})};
    }
    if (request.offset >= manifest.blocks.size() ||
        to_string(manifest.blocks[request.offset].id) != request.of)
      return not_here("that block");
    return Opened{
        std::make_unique<BlockSource>(std::move(*file), static_cast<uint32_t>(request.offset))};
  };
}

}  // namespace troupe::actors
