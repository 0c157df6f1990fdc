#include "storage/dataset/dataset_store.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

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
  auto version = content_id_of(bytes);
  {
    std::lock_guard guard{pending_->mutex};
    pending_->ids.insert(version);
  }
  auto stored = put_pending(version, bytes, *manifest);
  if (stored) return manifest;
  settle(version);
  return std::move(stored).error();
}

void DatasetStore::settle(const ContentId& id) const {
  std::lock_guard guard{pending_->mutex};
  if (auto at = pending_->ids.find(id); at != pending_->ids.end()) pending_->ids.erase(at);
}

Result<void> DatasetStore::put_pending(const ContentId& version, std::string_view bytes,
                                       const Manifest& manifest) const {
  size_t lacking = 0;
  std::vector<ContentId> ids;
  ids.reserve(manifest.blocks.size());
  for (const auto& block : manifest.blocks) {
    auto size = blocks_.touch(block.id) ? blocks_.size(block.id) : Result<uint64_t>{Error{}};
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
  auto path = path_of(version);
  std::error_code none;
  return fs::exists(path, none) ? ok() : replace_file(path, bytes, 0400);
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

Result<void> DatasetStore::remove_version(const ContentId& id,
                                          const std::vector<ContentId>& coming) const {
  auto gone = manifest(id);
  if (!gone) return std::move(gone).error();
  struct stat info {};
  if (::stat(path_of(id).c_str(), &info) != 0)
    return errno_error(errno, "a manifest cannot be looked at");
  TROUPE_TRY(remove_manifest(id));
  auto than =
      storage::time_of(info) + BlockStore::Time::duration{1};  // its blocks were there before
  auto used = named_blocks();
  if (!used) return std::move(used).error();
  used->insert(coming.begin(), coming.end());
  for (const auto& block : gone->blocks)
    if (!used->contains(block.id))
      if (auto removed = blocks_.remove_older(block.id, than); !removed)
        return std::move(removed).error();
  return ok();
}

Result<DatasetStore::Room> DatasetStore::room() const {
  struct statvfs disk {};
  if (::statvfs(manifests_.c_str(), &disk) != 0)
    return errno_error(errno, fmt::format("the disk of {} cannot be asked", manifests_));
  return Room{uint64_t{disk.f_bavail} * disk.f_frsize, uint64_t{disk.f_blocks} * disk.f_frsize};
}

/// Of all stored versions.
Result<DatasetStore::Named> DatasetStore::named_blocks() const {
  auto stored = manifests();
  if (!stored) return std::move(stored).error();
  Named used;
  for (const auto& id : *stored) {
    // A manifest that cannot be read keeps everything: nothing is removed by mistake.
    auto kept = manifest(id);
    if (!kept) return std::move(kept).error();
    for (const auto& block : kept->blocks) used.insert(block.id);
  }
  return used;
}

Result<void> DatasetStore::restore_manifest(std::string_view bytes) const {
  return replace_file(path_of(content_id_of(bytes)), bytes, 0400);
}

Result<void> DatasetStore::set_aside_manifest(const ContentId& id) const {
  TROUPE_TRY(make_dirs(aside(), 0700));
  if (::rename(path_of(id).c_str(), fmt::format("{}/{}", aside(), to_string(id)).c_str()) == 0 ||
      errno == ENOENT)
    return ok();
  return errno_error(errno, "a manifest cannot be moved aside");
}

Result<void> DatasetStore::set_aside_block(const ContentId& id) const {
  return blocks_.set_aside(id, aside());
}

Result<std::vector<ContentId>> DatasetStore::manifests() const {
  std::vector<ContentId> ids;
  std::error_code code;
  for (fs::directory_iterator it{manifests_, code}, end; !code && it != end; it.increment(code))
    if (auto id = content_id_from(it->path().filename().string())) ids.push_back(*id);
  if (code) return errno_error(code.value(), fmt::format("{} cannot be listed", manifests_));
  return ids;
}

uint64_t DatasetStore::aside_bytes() const {
  return drop_aside(BlockStore::Time::max(), true);
}

uint64_t DatasetStore::drop_aside(BlockStore::Time than, bool dry_run) const {
  return storage::drop_aside(aside(), than, dry_run);
}

/// Whether it was: not where it is on its way to a name, or was stored since.
Result<bool> DatasetStore::remove_older(const ContentId& id, BlockStore::Time than,
                                        bool dry_run) const {
  std::lock_guard guard{pending_->mutex};
  struct stat info {};
  if (pending_->ids.contains(id) || ::stat(path_of(id).c_str(), &info) != 0 ||
      storage::time_of(info) >= than)
    return false;
  if (!dry_run) TROUPE_TRY(remove_manifest(id));
  return true;
}

/// What was removed stays so: a manifest that came back after a power cut would lack its blocks.
Result<void> DatasetStore::sync_manifests() const {
  auto fd = open_file(manifests_, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::move(fd).error();
  if (::fsync(fd->get()) == 0) return ok();
  return errno_error(errno, fmt::format("{} cannot be synced", manifests_));
}

Result<DatasetStore::Collected> DatasetStore::collect(
    BlockStore::Time than, bool dry_run, const std::function<Result<Named>()>& named) const {
  // In this order: what was stored before has its name by then, or is on its way to it now.
  std::set<ContentId> coming;
  {
    std::lock_guard guard{pending_->mutex};
    coming.insert(pending_->ids.begin(), pending_->ids.end());
  }
  auto names = named();
  if (!names) return std::move(names).error();
  auto stored = manifests();
  if (!stored) return std::move(stored).error();

  Collected collected;
  Named kept;
  for (const auto& id : *stored) {
    std::error_code gone;
    auto bytes = fs::file_size(path_of(id), gone);
    auto removed = names->contains(id) ? Result<bool>{false} : remove_older(id, than, dry_run);
    if (!removed) return std::move(removed).error();
    if (*removed)
      collected.manifests.emplace_back(id, gone ? 0 : bytes);
    else
      kept.insert(id);
  }
  // What a manifest that cannot be read needs: no block is removed by mistake.
  for (const auto& id : *names)
    if (!kept.contains(id))
      collected.kept = fmt::format("the manifest {} is missing", to_string(id));
  if (std::any_of(coming.begin(), coming.end(), [&](const auto& id) { return !kept.contains(id); }))
    collected.kept = "a version is just being stored";
  Named used;
  for (const auto& id : kept) {
    auto one = manifest(id);
    if (!one) {
      collected.kept = to_string(one.error());
      break;
    }
    for (const auto& block : one->blocks) used.insert(block.id);
  }
  if (!collected.kept.empty()) return collected;
  TROUPE_TRY(sync_manifests());
  std::vector<std::pair<ContentId, uint64_t>> unused;
  TROUPE_TRY(
      blocks_.for_each_timed([&](const ContentId& id, uint64_t bytes, BlockStore::Time time) {
        if (time < than && !used.contains(id)) unused.emplace_back(id, bytes);
      }));
  for (const auto& [id, bytes] : unused) {
    auto removed = dry_run ? Result<bool>{true} : blocks_.remove_older(id, than);
    if (!removed) return std::move(removed).error();
    if (!*removed) continue;
    ++collected.blocks;
    collected.bytes += bytes;
  }
  return collected;
}

}  // namespace troupe::dataset
