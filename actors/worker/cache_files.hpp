// Dataset versions on the disk of a node: `<dir>/cache/<digest>/` has each sealed,
// `<dir>/trees/<method>/<digest>/` shows its files. Blocking; any thread, but one at a time for a
// version.
#pragma once

#include "actors/messages.hpp"
#include "actors/worker/data_source.hpp"
#include "actors/worker/paths.hpp"
#include "storage/dataset/mount.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace troupe::actors {

/// Brings one version here, step by step: what has to go for it is decided elsewhere, between
/// look() and fill().
class VersionBringer {
 public:
  /// `data` must live as long. With a `method` its files are shown that way or not at all.
  VersionBringer(WorkerPaths paths, DataSource& data, const dataset::ContentId& version,
                 std::optional<MountMethod> method)
      : paths_{std::move(paths)}, data_{data}, version_{version}, method_{method} {}

  /// Whether it is here already. One that is damaged is removed.
  Result<bool> look();
  /// Removes it: what shows its files has found that it is damaged.
  Result<void> discard();
  /// What it needs of the disk to be here and shown, and how much of that is not free.
  struct Room {
    uint64_t needed = 0;
    uint64_t there = 0;  // of that already
    uint64_t lacking = 0;
  };
  Result<Room> plan();
  /// Called by several threads: bytes of blocks that are here, and of all.
  using Progress = std::function<void(uint64_t arrived, uint64_t total)>;
  /// exhausted where the disk is full; what has come stays for another try.
  Result<void> fill(const Progress& progress);
  /// Mounts its files, or writes them out. exhausted as above; invalid where the method that is
  /// asked for does not work here.
  Result<DataTree> show();

  bool is_whole() const { return file_ != nullptr; }
  uint64_t bytes() const;  // on the disk
  VersionSource::Givers givers() const;

 private:
  Result<void> read_manifest();
  uint64_t still_to_copy() const;
  std::string folder() const { return paths_.cache() + "/" + to_string(version_); }

  WorkerPaths paths_;
  DataSource& data_;
  dataset::ContentId version_;
  std::optional<MountMethod> method_;
  std::unique_ptr<VersionSource> source_;
  std::shared_ptr<const dataset::Manifest> manifest_;
  std::shared_ptr<const dataset::SealedFile> file_;
};

/// Nobody has taken its mount away, or killed who serves it.
bool is_shown(const DataTree& tree);
/// What lies there from former starts: digests, bytes, ages by the files' times, mounts.
std::vector<CachedVersion> find_versions(const WorkerPaths& paths);
/// Nobody has touched it, or found it damaged, since all of it was last hashed.
bool is_verified(const WorkerPaths& paths, const std::string& digest);
/// A tree goes before its version: a mount of files that are gone would serve nobody.
Result<void> remove_version(const WorkerPaths& paths, const std::string& digest);
/// Notes that a version was used now, for the next start.
void touch_version(const WorkerPaths& paths, const std::string& digest);
/// Takes down all trees that are mounts, except these.
void unmount_trees(const WorkerPaths& paths, const std::set<std::string>& except);
/// Free for us where a folder lies; 0 where that cannot be asked.
uint64_t disk_free(const std::string& folder);

}  // namespace troupe::actors
