#include "actors/worker/cache_files.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sys/stat.h>

namespace troupe::actors {

namespace {

namespace fs = std::filesystem;
using dataset::MountMethod;

// One receives while another hashes.
constexpr unsigned fill_threads = 3;

std::string tree_of(const WorkerPaths& paths, const std::string& digest) {
  return paths.trees() + "/" + digest;
}

bool is_mount(const std::string& path) {
  struct stat own {
  }, parent{};
  return ::stat(path.c_str(), &own) == 0 && ::stat((path + "/..").c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

/// A tree goes before its version: a mount of files that are gone would serve nobody.
Result<void> remove_version(const WorkerPaths& paths, const std::string& digest) {
  auto tree = tree_of(paths, digest);
  if (is_mount(tree)) TROUPE_TRY(dataset::unmount_files(tree));
  std::error_code code;
  fs::remove_all(tree, code);
  if (!code) fs::remove_all(paths.cache() + "/" + digest, code);
  if (code) return errno_error(code.value(), fmt::format("dataset {} cannot be removed", digest));
  return ok();
}

Result<void> fill_version(const WorkerPaths& paths, DataSource& source,
                          const dataset::ContentId& version) {
  auto bytes = source.manifest(version);
  if (!bytes) return std::move(bytes).error();
  if (dataset::content_id_of(*bytes) != version)
    return Error{Errc::corrupt, fmt::format("dataset {} was refused", to_string(version)),
                 "what came is another manifest", "push the data again"};
  auto parsed = dataset::parse_manifest(*bytes);
  if (!parsed) return std::move(parsed).error();
  auto manifest = std::make_shared<const dataset::Manifest>(std::move(*parsed));
  auto writer = dataset::SealedWriter::begin(paths.cache(), manifest);
  if (!writer) return std::move(writer).error();
  auto fetch = [&](uint32_t block, char* to) {
    const auto& one = manifest->blocks[block];
    return source.block(one.id, to, one.bytes());
  };
  TROUPE_TRY(dataset::fill(**writer, fetch, fill_threads));
  auto sealed = (*writer)->seal();
  if (!sealed) return std::move(sealed).error();
  return ok();
}

/// Mounts by the best way that works, or the one that is wanted; where none does, writes them out.
Result<void> show_files(const dataset::SealedFile& file, const std::string& tree,
                        std::optional<MountMethod> wanted) {
  if (is_mount(tree)) return ok();
  std::error_code code;
  bool exported = fs::exists(tree, code) && !fs::is_empty(tree, code);
  if (exported && wanted.value_or(MountMethod::plain_copy) == MountMethod::plain_copy) return ok();
  fs::remove_all(tree, code);
  std::string why;
  for (auto method : {MountMethod::erofs, MountMethod::erofs_loop}) {
    if (wanted && *wanted != method) continue;
    TROUPE_TRY(make_dirs(tree, 0755));
    auto mounted = dataset::mount_files(file.paths(), tree, method);
    if (mounted || wanted) return mounted;
    why = mounted.error().detail;
  }
  fs::remove(tree, code);
  if (!wanted)
    log::info("cache", "files of {} are written out, as they cannot be mounted: {}",
              to_string(file.version()), why);
  return dataset::export_tree(file, tree);
}

}  // namespace

Result<void> bring_version(const WorkerPaths& paths, DataSource& source,
                           const dataset::ContentId& version, std::optional<MountMethod> method,
                           const std::function<bool()>& make_room) {
  TROUPE_TRY(make_dirs(paths.cache(), 0700));
  TROUPE_TRY(make_dirs(paths.trees(), 0755));
  auto digest = to_string(version);
  auto folder = paths.cache() + "/" + digest;
  auto with_room = [&](const std::function<Result<void>()>& step) {
    for (;;) {
      auto done = step();
      if (done || done.error().code != Errc::exhausted || !make_room()) return done;
    }
  };
  for (bool again = false;; again = true) {
    auto file = dataset::SealedFile::open(folder);
    if (file) return with_room([&] { return show_files(**file, tree_of(paths, digest), method); });
    if (file.error().code == Errc::corrupt && !again) {
      log::warning("cache", "{}; it is fetched again", to_string(file.error()));
      TROUPE_TRY(remove_version(paths, digest));
    } else if (file.error().code != Errc::not_found || again) {
      return std::move(file).error();
    }
    TROUPE_TRY(with_room([&] { return fill_version(paths, source, version); }));
  }
}

bool remove_oldest(const WorkerPaths& paths, const std::set<std::string>& except) {
  std::string oldest;
  fs::file_time_type oldest_time;
  std::error_code code;
  for (fs::directory_iterator it{paths.cache(), code}, end; !code && it != end;
       it.increment(code)) {
    auto name = it->path().filename().string();
    std::error_code gone;
    auto time = it->last_write_time(gone);
    if (gone || except.contains(name) || !dataset::content_id_from(name)) continue;
    if (!oldest.empty() && time >= oldest_time) continue;
    oldest = name;
    oldest_time = time;
  }
  if (oldest.empty()) return false;
  auto removed = remove_version(paths, oldest);
  if (!removed) log::warning("cache", "{}", to_string(removed.error()));
  return removed.has_value();
}

void touch_version(const WorkerPaths& paths, const std::string& digest) {
  std::error_code none;  // only the order of removal suffers
  fs::last_write_time(paths.cache() + "/" + digest, fs::file_time_type::clock::now(), none);
}

void unmount_trees(const WorkerPaths& paths, const std::set<std::string>& except) {
  std::error_code code;
  for (fs::directory_iterator it{paths.trees(), code}, end; !code && it != end;
       it.increment(code)) {
    auto tree = it->path().string();
    if (except.contains(it->path().filename().string()) || !is_mount(tree)) continue;
    if (auto done = dataset::unmount_files(tree); !done)
      log::warning("cache", "{}", to_string(done.error()));
  }
}

}  // namespace troupe::actors
