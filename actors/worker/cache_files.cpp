#include "actors/worker/cache_files.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"
#include "storage/dataset/fuse_process.hpp"
#include "storage/dataset/seal_stamp.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace troupe::actors {

namespace {

namespace fs = std::filesystem;
using dataset::is_dead_mount;
using dataset::is_mount;
using dataset::MountMethod;

// One receives while another hashes.
constexpr unsigned fill_threads = 3;

constexpr std::array methods{MountMethod::erofs, MountMethod::erofs_loop, MountMethod::fuse,
                             MountMethod::plain_copy};

constexpr const char* partial = ".part";

std::string tree_of(const WorkerPaths& paths, MountMethod method, const std::string& digest) {
  return fmt::format("{}/{}/{}", paths.trees(), to_string(method), digest);
}

/// A tree goes before its version: a mount of files that are gone would serve nobody.
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
  return dataset::note_verified(*sealed);
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

}  // namespace

Result<DataTree> bring_version(const WorkerPaths& paths, DataSource& source,
                               const dataset::ContentId& version, std::optional<MountMethod> method,
                               const std::function<bool()>& make_room) {
  TROUPE_TRY(make_dirs(paths.cache(), 0700));
  TROUPE_TRY(make_dirs(paths.trees(), 0755));
  auto digest = to_string(version);
  auto folder = paths.cache() + "/" + digest;
  auto with_room = [&](auto step) {
    for (;;) {
      auto done = step();
      if (done || done.error().code != Errc::exhausted || !make_room()) return done;
    }
  };
  for (bool again = false;; again = true) {
    auto file = open_version(folder);
    if (file) {
      auto shown = with_room([&] { return show_files(paths, **file, method); });
      if (shown || shown.error().code != Errc::corrupt || again) return shown;
      file = std::move(shown).error();
    }
    if (file.error().code == Errc::corrupt && !again) {
      log::warning("cache", "{}; it is fetched again", to_string(file.error()));
      TROUPE_TRY(remove_version(paths, digest));
    } else if (file.error().code != Errc::not_found || again) {
      return std::move(file).error();
    }
    TROUPE_TRY(with_room([&] { return fill_version(paths, source, version); }));
  }
}

bool is_shown(const DataTree& tree) {
  std::error_code code;
  return tree.method == MountMethod::plain_copy ? fs::exists(tree.path, code)
                                                : is_mount(tree.path) && !is_dead_mount(tree.path);
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

}  // namespace troupe::actors
