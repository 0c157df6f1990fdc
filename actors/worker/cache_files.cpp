#include "actors/worker/cache_files.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"
#include "storage/dataset/fuse_process.hpp"
#include "storage/dataset/seal_stamp.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace troupe::actors {

namespace {

namespace fs = std::filesystem;
using dataset::is_dead_mount;
using dataset::is_mount;
using dataset::MountMethod;

// Some receive while others hash.
constexpr unsigned fill_threads = 4;

constexpr std::array methods{MountMethod::erofs, MountMethod::erofs_loop, MountMethod::fuse,
                             MountMethod::plain_copy};

constexpr const char* partial = ".part";

std::string tree_of(const WorkerPaths& paths, MountMethod method, const std::string& digest) {
  return fmt::format("{}/{}/{}", paths.trees(), to_string(method), digest);
}

/// On the disk, of a file or of all below a folder; not through mounts.
uint64_t disk_bytes(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return 0;
  uint64_t sum = static_cast<uint64_t>(info.st_blocks) * 512;
  if (!S_ISDIR(info.st_mode)) return sum;
  std::error_code code;
  for (fs::recursive_directory_iterator it{path, code}, end; !code && it != end; it.increment(code))
    if (::lstat(it->path().c_str(), &info) == 0) sum += static_cast<uint64_t>(info.st_blocks) * 512;
  return sum;
}

std::string fill_of(const WorkerPaths& paths, const dataset::ContentId& version) {
  return dataset::filling_paths(paths.cache(), version).folder;
}

/// What is left of a fill that broke off counts too.
uint64_t version_bytes(const WorkerPaths& paths, const std::string& digest) {
  auto sum = disk_bytes(paths.cache() + "/" + digest);
  if (auto id = dataset::content_id_from(digest)) sum += disk_bytes(fill_of(paths, *id));
  auto tree = tree_of(paths, MountMethod::plain_copy, digest);
  sum += disk_bytes(tree) + disk_bytes(tree + partial);
  return sum;
}

/// Opens it; hashes all of it where somebody has touched it since that was last done.
Result<std::shared_ptr<const dataset::SealedFile>> open_version(const std::string& folder) {
  auto file = dataset::SealedFile::open(folder);
  if (!file || dataset::is_as_verified((*file)->paths())) return file;
  auto check = dataset::check_sealed(folder);
  if (!check) return std::move(check).error();
  if (!check->good())
    return Error{Errc::corrupt, fmt::format("{} is damaged", folder),
                 check->others.empty() ? fmt::format("{} of its blocks", check->damaged.size())
                                       : check->others.front(),
                 "it is fetched again"};
  TROUPE_TRY(dataset::note_verified((*file)->paths()));
  return file;
}

Result<void> show_by(const dataset::SealedFile& file, const std::string& tree, MountMethod method) {
  std::error_code code;
  if (method == MountMethod::plain_copy) {
    if (fs::exists(tree, code)) return ok();
    TROUPE_TRY(make_dirs(fs::path{tree}.parent_path().string(), 0755));
    // Under another name until it is whole: whoever writes it may be killed.
    auto part = tree + partial;
    fs::remove_all(part, code);
    TROUPE_TRY(dataset::export_tree(file, part));
    fs::rename(part, tree, code);
    if (code) return errno_error(code.value(), fmt::format("{} cannot be made", tree));
    return ok();
  }
  if (is_dead_mount(tree)) TROUPE_TRY(dataset::unmount_files(tree, true));
  if (is_mount(tree)) return ok();
  TROUPE_TRY(make_dirs(tree, 0755));
  auto mounted = dataset::mount_files(file.paths(), tree, method);
  if (!mounted) fs::remove(tree, code);
  return mounted;
}

/// By the best way that works; where none mounts, they are written out.
Result<DataTree> show_files(const WorkerPaths& paths, const dataset::SealedFile& file,
                            std::optional<MountMethod> wanted) {
  auto digest = to_string(file.version());
  std::string why;
  for (auto method : methods) {
    if (wanted && *wanted != method) continue;
    auto tree = tree_of(paths, method, digest);
    if (method == MountMethod::plain_copy && !wanted)
      log::info("cache", "files of {} are written out, as they cannot be mounted: {}", digest, why);
    auto shown = show_by(file, tree, method);
    if (shown) return DataTree{tree, method};
    auto error = std::move(shown).error();
    if (method == MountMethod::plain_copy || error.code == Errc::corrupt) return error;
    if (wanted)
      return Error{Errc::invalid, fmt::format("data cannot be mounted by {}", to_string(method)),
                   error.detail, "leave out --mount-method; troupe doctor says what a node can"};
    why = error.detail;
  }
  return Error{Errc::bug, "data is not shown", "no such way to mount", "please report"};
}

int64_t age_ms(fs::file_time_type time) {
  auto age = fs::file_time_type::clock::now() - time;
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(age).count());
}

}  // namespace

Result<bool> VersionBringer::look() {
  TROUPE_TRY(make_dirs(paths_.cache(), 0700));
  TROUPE_TRY(make_dirs(paths_.trees(), 0755));
  auto file = open_version(folder());
  if (file) {
    file_ = std::move(*file);
    return true;
  }
  if (file.error().code == Errc::not_found) return false;
  if (file.error().code != Errc::corrupt) return std::move(file).error();
  log::warning("cache", "{}; it is fetched again", to_string(file.error()));
  TROUPE_TRY(remove_version(paths_, to_string(version_)));
  return false;
}

Result<void> VersionBringer::discard() {
  file_.reset();
  return remove_version(paths_, to_string(version_));
}

Result<VersionBringer::Room> VersionBringer::plan() {
  Room room;
  if (file_) {
    room.there = bytes();
    room.needed = room.there + still_to_copy();
  } else {
    TROUPE_TRY(read_manifest());
    room.needed = dataset::sealed_bytes_max(*manifest_);
    if (method_ == MountMethod::plain_copy) room.needed += manifest_->file_bytes();
    // What a broken fill has left is used again.
    room.there = disk_bytes(fill_of(paths_, version_));
  }
  auto still = room.needed - std::min(room.needed, room.there);
  room.lacking = still - std::min(still, disk_free(paths_.cache()));
  return room;
}

Result<void> VersionBringer::read_manifest() {
  source_ = data_.version(version_);
  auto bytes = source_->manifest();
  if (!bytes) return std::move(bytes).error();
  if (dataset::content_id_of(*bytes) != version_)
    return Error{Errc::corrupt, fmt::format("dataset {} was refused", to_string(version_)),
                 "what came is another manifest", "push the data again"};
  auto parsed = dataset::parse_manifest(*bytes);
  if (!parsed) return std::move(parsed).error();
  manifest_ = std::make_shared<const dataset::Manifest>(std::move(*parsed));
  return ok();
}

Result<void> VersionBringer::fill(const Progress& progress) {
  auto writer = dataset::SealedWriter::begin(paths_.cache(), manifest_);
  if (!writer) return std::move(writer).error();
  auto total = manifest_->payload_bytes();
  std::atomic<uint64_t> arrived{(*writer)->bytes_there()};
  auto fetch = [&](uint32_t block, char* to) -> Result<void> {
    const auto& one = manifest_->blocks[block];
    TROUPE_TRY(source_->block(block, one, to));
    progress(std::min(total, arrived += one.bytes()), total);
    return ok();
  };
  auto refused = [&](uint32_t block) {
    arrived -= manifest_->blocks[block].bytes();
    return source_->refused(block);
  };
  progress(arrived, total);
  TROUPE_TRY(dataset::fill(**writer, fetch, fill_threads, refused));
  auto sealed = (*writer)->seal();
  if (!sealed) return std::move(sealed).error();
  TROUPE_TRY(dataset::note_verified(*sealed));
  auto file = dataset::SealedFile::open(folder());
  if (!file) return std::move(file).error();
  file_ = std::move(*file);
  return ok();
}

Result<DataTree> VersionBringer::show() {
  return show_files(paths_, *file_, method_);
}

/// (Where no method is asked for nobody knows before that it will have to be written out.)
uint64_t VersionBringer::still_to_copy() const {
  std::error_code code;
  auto tree = tree_of(paths_, MountMethod::plain_copy, to_string(version_));
  bool copies = method_ == MountMethod::plain_copy && !fs::exists(tree, code);
  return copies ? file_->manifest().file_bytes() : 0;
}

uint64_t VersionBringer::bytes() const {
  return version_bytes(paths_, to_string(version_));
}

VersionSource::Givers VersionBringer::givers() const {
  return source_ ? source_->givers() : VersionSource::Givers{};
}

std::vector<CachedVersion> find_versions(const WorkerPaths& paths) {
  std::vector<CachedVersion> found;
  std::error_code code;
  for (fs::directory_iterator it{paths.cache(), code}, end; !code && it != end;
       it.increment(code)) {
    CachedVersion one;
    one.digest = it->path().stem().string();
    auto id = dataset::content_id_from(one.digest);
    if (!id) continue;
    std::error_code gone;
    if (it->path() == fill_of(paths, *id)) {
      one.state = CachedVersion::State::failed;
      one.bytes = version_bytes(paths, one.digest);
      one.error = "it broke off when the worker ended; it goes on from there";
      one.idle_ms = age_ms(fs::last_write_time(it->path() / "blocks.mdb", gone));
      if (gone) one.idle_ms = age_ms(it->last_write_time(gone));
      found.push_back(std::move(one));
      continue;
    }
    one.state = CachedVersion::State::here;
    one.bytes = version_bytes(paths, one.digest);
    one.age_ms = age_ms(fs::last_write_time(it->path() / "seal", gone));
    if (gone) continue;  // removed by an earlier start, or by hand: looked at when it is needed
    auto used = it->last_write_time(gone);
    one.idle_ms = gone ? one.age_ms : age_ms(used);
    found.push_back(std::move(one));
  }
  return found;
}

bool is_shown(const DataTree& tree) {
  std::error_code code;
  return tree.method == MountMethod::plain_copy ? fs::exists(tree.path, code)
                                                : is_mount(tree.path) && !is_dead_mount(tree.path);
}

bool is_verified(const WorkerPaths& paths, const std::string& digest) {
  auto id = dataset::content_id_from(digest);
  return id && dataset::is_as_verified(dataset::sealed_paths(paths.cache(), *id));
}

Result<void> remove_version(const WorkerPaths& paths, const std::string& digest) {
  std::error_code code;
  for (auto method : methods) {
    auto tree = tree_of(paths, method, digest);
    if (is_mount(tree)) TROUPE_TRY(dataset::unmount_files(tree));
    fs::remove_all(tree + partial, code);
    fs::remove_all(tree, code);
    if (code) break;
  }
  if (!code) fs::remove_all(paths.cache() + "/" + digest, code);
  if (auto id = dataset::content_id_from(digest); !code && id)
    TROUPE_TRY(dataset::SealedWriter::discard(paths.cache(), *id));
  if (code) return errno_error(code.value(), fmt::format("dataset {} cannot be removed", digest));
  return ok();
}

void touch_version(const WorkerPaths& paths, const std::string& digest) {
  std::error_code none;  // only the order of removal suffers
  fs::last_write_time(paths.cache() + "/" + digest, fs::file_time_type::clock::now(), none);
}

void unmount_trees(const WorkerPaths& paths, const std::set<std::string>& except) {
  for (auto method : methods) {
    std::error_code code;
    auto folder = fmt::format("{}/{}", paths.trees(), to_string(method));
    for (fs::directory_iterator it{folder, code}, end; !code && it != end; it.increment(code)) {
      auto tree = it->path().string();
      if (except.contains(it->path().filename().string()) || !is_mount(tree)) continue;
      if (auto done = dataset::unmount_files(tree); !done)
        log::warning("cache", "{}", to_string(done.error()));
    }
  }
}

uint64_t disk_free(const std::string& folder) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) return 0;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace troupe::actors
