#include "client/cpp/dataset_transfer.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>

namespace troupe::client {

namespace {

namespace fs = std::filesystem;

constexpr size_t uploads_parallel = 4;
// Held back before the head is asked what it lacks: one question for many blocks.
constexpr size_t held_bytes_max = 16u << 20;
// Small files of one folder lie in the few blocks that were open together.
constexpr size_t blocks_kept = 24;
// Blocks that nothing names yet may be collected between two tries.
constexpr int push_tries = 3;

Error damaged(const std::string& what) {
  return Error{Errc::corrupt, what + " arrived damaged", "its bytes have another digest",
               "try again; if it stays, see the head's log"};
}

/// Nothing where there is no version yet.
Result<std::optional<dataset::Manifest>> newest_manifest(Client& head, const std::string& name) {
  using Found = std::optional<dataset::Manifest>;
  auto newest = head.dataset_version(name, "");
  if (!newest) {
    if (newest.error().code == Errc::not_found) return Found{};
    return std::move(newest).error();
  }
  const auto* version = newest->find("version");
  auto manifest = fetch_manifest(head, name, version != nullptr ? version->to_text() : "");
  if (manifest) return Found{std::move(*manifest)};
  // The head has lost it: what is pushed now may be what mends it.
  auto code = manifest.error().code;
  if (code == Errc::not_found || code == Errc::corrupt) return Found{};
  return std::move(manifest).error();
}

}  // namespace

Result<void> UploadSink::put(const dataset::ContentId& id, std::string_view payload) {
  held_.emplace_back(to_string(id), payload);
  held_bytes_ += payload.size();
  return held_bytes_ < held_bytes_max ? ok() : flush();
}

Result<void> UploadSink::flush() {
  if (held_.empty()) return ok();
  std::vector<std::string> digests;
  for (const auto& [digest, payload] : held_) digests.push_back(digest);
  auto missing = head_.missing_blocks(digests);
  if (!missing) return std::move(missing).error();
  auto make = [&](size_t i) -> Result<HttpRequest> {
    auto at = std::find_if(held_.begin(), held_.end(),
                           [&](const auto& block) { return block.first == (*missing)[i]; });
    if (at == held_.end())
      return Error{Errc::bug, "the head lacks a block that it was not asked about", (*missing)[i],
                   "please report this"};
    ++uploaded_blocks_;
    uploaded_bytes_ += at->second.size();
    return Client::block_upload(at->first, std::move(at->second));
  };
  TROUPE_TRY(head_.http().send_all(missing->size(), uploads_parallel, make));
  if (sent_) sent_(held_bytes_);
  held_.clear();
  held_bytes_ = 0;
  return ok();
}

Result<PushResult> push_path(Client& head, PushSource source, DatasetPush push,
                             std::function<void(uint64_t bytes)> sent) {
  auto former = newest_manifest(head, push.name);
  if (!former) return std::move(former).error();
  if (*former) source.options.former = &**former;
  for (int tries = 1;; ++tries) {
    UploadSink sink{head, sent};
    auto imported = dataset::import_path(source.path, source.options, sink);
    if (!imported) return std::move(imported).error();
    TROUPE_TRY(sink.flush());
    push.manifest = dataset::manifest_bytes(imported->manifest);
    auto version = head.push_dataset(push);
    if (!version && version.error().code == Errc::conflict && tries < push_tries) {
      source.options.former = nullptr;  // its blocks are not there any more
      continue;
    }
    if (!version) return std::move(version).error();
    PushResult result;
    result.unchanged = *former && **former == imported->manifest;
    result.version = std::move(*version);
    result.uploaded_bytes = sink.uploaded_bytes();
    result.uploaded_blocks = sink.uploaded_blocks();
    result.stats = imported->stats;
    result.notes = std::move(imported->notes);
    return result;
  }
}

Result<dataset::Manifest> fetch_manifest(Client& head, const std::string& name,
                                         const std::string& which) {
  auto version = head.dataset_version(name, which);
  if (!version) return std::move(version).error();
  const auto* number = version->find("version");
  const auto* digest = version->find("digest");
  if (number == nullptr || digest == nullptr)
    return Error{Errc::bug, "the head's answer has no version", "", "please report this"};
  auto bytes = head.dataset_manifest(name, number->to_text());
  if (!bytes) return std::move(bytes).error();
  if (to_string(dataset::content_id_of(*bytes)) != digest->to_text())
    return damaged("the manifest of " + name);
  return dataset::parse_manifest(*bytes);
}

Result<const std::string*> BlockReader::block(uint32_t number) {
  auto kept = std::find_if(kept_.begin(), kept_.end(),
                           [&](const auto& block) { return block.first == number; });
  if (kept != kept_.end()) {
    std::rotate(kept, kept + 1, kept_.end());
    return &kept_.back().second;
  }
  const auto& block = manifest_.blocks[number];
  auto bytes = head_.get_block(to_string(block.id));
  if (!bytes) return std::move(bytes).error();
  if (bytes->size() != block.bytes() || dataset::content_id_of(*bytes) != block.id)
    return damaged("block " + to_string(block.id));
  fetched_bytes_ += bytes->size();
  if (kept_.size() == blocks_kept) kept_.erase(kept_.begin());
  kept_.emplace_back(number, std::move(*bytes));
  return &kept_.back().second;
}

Result<void> BlockReader::read(const dataset::Content& content, uint64_t most,
                               const std::function<Result<void>(std::string_view)>& use) {
  for (uint32_t i = 0; i < manifest_.piece_count(content) && most > 0; ++i) {
    auto piece = manifest_.pieces[content.first_piece + i];
    auto payload = block(piece.block);
    if (!payload) return std::move(payload).error();
    auto count = std::min(most, manifest_.piece_bytes(content, i));
    TROUPE_TRY(use(std::string_view{**payload}.substr(piece.offset, count)));
    most -= count;
  }
  return ok();
}

Result<void> fetch_tree(Client& head, const dataset::Manifest& manifest, const std::string& folder,
                        const std::function<void(uint64_t bytes)>& got) {
  std::error_code none;
  if (fs::exists(folder, none) && !fs::is_empty(folder, none))
    return Error{Errc::conflict, fmt::format("{} is not empty", folder), "",
                 "give a folder that is empty or does not exist"};
  TROUPE_TRY(make_dirs(folder));
  BlockReader reader{head, manifest};
  for (const auto& entry : manifest.entries) {
    auto target = folder + "/" + entry.path;  // check_entry_path: it stays inside
    if (entry.is_directory) {
      TROUPE_TRY(make_dirs(target));
      continue;
    }
    auto file =
        open_file(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.executable ? 0755 : 0644);
    if (!file) return std::move(file).error();
    auto write = [&](std::string_view bytes) {
      if (got) got(bytes.size());
      return write_all(file->get(), bytes);
    };
    TROUPE_TRY(reader.read(entry.content, UINT64_MAX, write));
  }
  return ok();
}

}  // namespace troupe::client
