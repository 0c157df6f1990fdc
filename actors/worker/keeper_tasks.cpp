#include "actors/worker/keeper_tasks.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"
#include "storage/dataset/seal_stamp.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <sys/stat.h>

namespace troupe::actors {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t stat_block_bytes = 512;
constexpr size_t paths_named = 5;
// Beside the outputs, so that it is one rename away; no experiment is called so.
constexpr char going[] = "/.going";

struct Use {
  uint64_t files = 0, bytes = 0;
};

/// On the disk; links are counted, not followed. What cannot be read is left out.
template <class Add>
void each_below(const std::string& folder, const Add& add) {
  std::error_code code;
  auto quiet = fs::directory_options::skip_permission_denied;
  fs::recursive_directory_iterator it{folder, quiet, code}, end;
  for (; !code && it != end; it.increment(code)) {
    struct stat info {};
    if (::lstat(it->path().c_str(), &info) != 0 || S_ISDIR(info.st_mode)) continue;
    add(it->path().native(), static_cast<uint64_t>(info.st_blocks) * stat_block_bytes);
  }
}

Use use_below(const std::string& folder) {
  Use use;
  each_below(folder, [&](const std::string&, uint64_t bytes) {
    ++use.files;
    use.bytes += bytes;
  });
  return use;
}

void add_outputs(const WorkerPaths& paths, std::map<ExperimentId, KeptUse>& all) {
  std::error_code code;
  for (fs::directory_iterator it{paths.outputs, code}, end; !code && it != end;
       it.increment(code)) {
    auto id = parse_experiment_id(it->path().filename().string());
    if (!id) continue;
    KeptUse use;
    auto checkpoints = paths.checkpoints(*id) + "/";
    each_below(it->path(), [&](const std::string& path, uint64_t bytes) {
      ++use.files;
      (path.starts_with(checkpoints) ? use.checkpoints : use.outputs) += bytes;
    });
    if (use.files == 0) continue;
    use.id = *id;
    all[*id] = use;
  }
}

void add_logs(const WorkerPaths& paths, std::map<ExperimentId, KeptUse>& all) {
  std::error_code code;
  for (fs::directory_iterator it{paths.dir + "/logs", code}, end; !code && it != end;
       it.increment(code)) {
    auto job = parse_job_id(it->path().filename().string());
    if (!job) continue;
    auto use = use_below(it->path());
    if (use.bytes == 0) continue;
    auto& one = all[job->experiment];
    one.id = job->experiment;
    one.logs += use.bytes;
  }
}

}  // namespace

std::vector<KeptUse> kept_use(const WorkerPaths& paths) {
  if (auto gone = remove_tree(paths.outputs + going); !gone)
    log::warning("worker", "{}", to_string(gone.error()));
  std::map<ExperimentId, KeptUse> all;
  add_outputs(paths, all);
  add_logs(paths, all);
  std::vector<KeptUse> list;
  list.reserve(all.size());
  for (auto& [id, use] : all) list.push_back(use);
  return list;
}

uint64_t outputs_place(const WorkerPaths& paths) {
  struct stat info {};
  if (::stat(paths.outputs.c_str(), &info) != 0) return 0;
  // Machines that were installed alike have equal numbers of devices and folders.
  auto boot = read_file("/proc/sys/kernel/random/boot_id", 64).value_or("");
  return std::hash<std::string>{}(fmt::format("{} {} {}", boot, info.st_dev, info.st_ino));
}

Result<uint64_t> drop_outputs(const WorkerPaths& paths, ExperimentId id) {
  auto folder = paths.output(id);
  auto aside = fmt::format("{}{}/{}", paths.outputs, going, to_string(id));
  auto bytes = use_below(folder).bytes;
  TROUPE_TRY(make_dirs(paths.outputs + going, 0700));
  TROUPE_TRY(remove_tree(aside));
  // In one step: nobody sees half of them.
  if (::rename(folder.c_str(), aside.c_str()) != 0)
    return errno == ENOENT ? Result<uint64_t>{0}
                           : errno_error(errno, fmt::format("{} cannot be removed", folder));
  TROUPE_TRY(remove_tree(aside));
  log::info("worker", "outputs of {} were removed by the head's rules", to_string(id));
  return bytes;
}

Result<VersionVerified> verify_version(const WorkerPaths& paths, const std::string& digest) {
  auto id = dataset::content_id_from(digest);
  if (!id)
    return Error{Errc::invalid, "this is no dataset version", digest.substr(0, 80),
                 "give 64 hexadecimal digits"};
  auto sealed = dataset::sealed_paths(paths.cache(), *id);
  std::error_code code;
  if (!fs::exists(sealed.folder, code))
    return Error{Errc::not_found, fmt::format("dataset {} is not here", digest),
                 "it was removed meanwhile", ""};
  VersionVerified verified;
  verified.bytes = use_below(sealed.folder).bytes;
  auto check = dataset::check_sealed(sealed.folder);
  if (check && check->good()) {
    TROUPE_TRY(dataset::note_verified(sealed));
    return verified;
  }
  if (!check) {
    // Removed while it was read, or in a state in which it cannot be.
    if (!fs::exists(sealed.folder, code)) return verified;
    verified.damaged = check.error().detail.empty() ? check.error().what : check.error().detail;
  } else if (!check->damaged.empty()) {
    verified.damaged = fmt::format("{} of its blocks", check->damaged.size());
    for (size_t i = 0; i < std::min(check->paths.size(), paths_named); ++i)
      verified.damaged += (i == 0 ? ": " : ", ") + check->paths[i];
    if (check->paths.size() > paths_named)
      verified.damaged += fmt::format(" and {} more", check->paths.size() - paths_named);
  } else {
    verified.damaged = check->others.front();
  }
  TROUPE_TRY(dataset::forget_verified(sealed));
  log::warning("cache", "dataset {} is damaged: {}", digest, verified.damaged);
  return verified;
}

}  // namespace troupe::actors
