#include "storage/dataset/dataset_store.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <unistd.h>
#include <unordered_set>

namespace troupe::dataset {

namespace fs = std::filesystem;

Result<DatasetStore> DatasetStore::open(const std::string& dir) {
  auto root = dir + "/data";
  auto blocks = BlockStore::open(root);
  if (!blocks) return std::move(blocks).error();
  TROUPE_TRY(make_dirs(root + "/manifests", 0700));
  return DatasetStore{root + "/manifests", std::move(*blocks)};
}

std::string DatasetStore::path_of(const ContentId& id) const {
  return fmt::format("{}/{}", manifests_, to_string(id));
}

Result<Manifest> DatasetStore::put_manifest(std::string_view bytes) const {
  auto manifest = parse_manifest(bytes);
  if (!manifest) return std::move(manifest).error();
  size_t lacking = 0;
  std::vector<ContentId> ids;
  ids.reserve(manifest->blocks.size());
  for (const auto& block : manifest->blocks) {
    auto size = blocks_.size(block.id);
    if (!size)
      ++lacking;
    else if (*size != block.bytes())
      return Error{Errc::invalid, "a dataset version was refused",
                   fmt::format("block {} is said to have {} bytes, it has {}", to_string(block.id),
                               block.bytes(), *size),
                   "push it again"};
    ids.push_back(block.id);
  }
  if (lacking != 0)
    return Error{Errc::conflict, "a dataset version was refused",
                 fmt::format("{} of its {} blocks were not sent yet", lacking, ids.size()),
                 "send these first"};
  TROUPE_TRY(blocks_.sync(ids));
  auto path = path_of(content_id_of(bytes));
  std::error_code none;
  if (!fs::exists(path, none)) TROUPE_TRY(replace_file(path, bytes, 0400));
  return manifest;
}

Result<std::string> DatasetStore::manifest_bytes(const ContentId& id) const {
  auto bytes = read_file(path_of(id), limits::manifest_bytes_max);
  if (!bytes && bytes.error().code == Errc::not_found)
    return Error{Errc::not_found, fmt::format("dataset version {} is not here", to_string(id)),
                 "no manifest of that digest is stored", "push the data again"};
  if (bytes && content_id_of(*bytes) != id)
    return Error{Errc::corrupt, fmt::format("the manifest {} is damaged", to_string(id)),
                 "its bytes have another digest", "remove the version and push it again"};
  return bytes;
}

Result<Manifest> DatasetStore::manifest(const ContentId& id) const {
  auto bytes = manifest_bytes(id);
  if (!bytes) return std::move(bytes).error();
  return parse_manifest(*bytes);
}

Result<void> DatasetStore::remove_manifest(const ContentId& id) const {
  if (::unlink(path_of(id).c_str()) == 0 || errno == ENOENT) return ok();
  return errno_error(errno, "a manifest cannot be removed");
}

Result<uint64_t> DatasetStore::collect(std::chrono::seconds age) const {
  std::unordered_set<ContentId, ContentIdHash> used;
  std::error_code code;
  for (fs::directory_iterator it{manifests_, code}, end; !code && it != end; it.increment(code)) {
    auto id = content_id_from(it->path().filename().string());
    if (!id) continue;
    // A manifest that cannot be read keeps everything: nothing is removed by mistake.
    auto kept = manifest(*id);
    if (!kept) return std::move(kept).error();
    for (const auto& block : kept->blocks) used.insert(block.id);
  }
  if (code) return errno_error(code.value(), fmt::format("{} cannot be listed", manifests_));
  std::vector<ContentId> unused;
  uint64_t freed = 0;
  TROUPE_TRY(blocks_.for_each_older(age, [&](const ContentId& id, uint64_t bytes) {
    if (used.contains(id)) return;
    unused.push_back(id);
    freed += bytes;
  }));
  for (const auto& id : unused) TROUPE_TRY(blocks_.remove(id));
  return freed;
}

}  // namespace troupe::dataset
