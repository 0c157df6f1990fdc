#include "actors/worker/job_mounts.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/log.hpp"
#include "storage/dataset/mount.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <mutex>
#include <sys/mount.h>
#include <unistd.h>

namespace troupe::actors {

namespace {

using dataset::is_mount;

bool has_own(const WorkerContext& context) {
  return !context.mounts.denied;
}

std::string target_of(const WorkerPaths& paths, uint32_t slot, const DataOrder& data) {
  return paths.data(slot) + "/" + data.mount;
}

std::string overlay_of(const WorkerPaths& paths, uint32_t slot, const DataOrder& data) {
  return paths.overlay(slot) + "/" + data.mount;
}

Result<void> make_link(const std::string& from, const std::string& to) {
  if (::symlink(to.c_str(), from.c_str()) == 0) return ok();
  return errno_error(errno, from + " cannot be made");
}

}  // namespace

Result<void> open_trees(const WorkerPaths& paths) {
  static std::mutex one_at_a_time;
  std::lock_guard lock{one_at_a_time};
  auto trees = paths.trees();
  TROUPE_TRY(make_dirs(trees, 0755));
  if (is_mount(trees)) return ok();  // of a worker that was killed: what it shows is as good as new
  // Private, so that nobody who copied our mounts gets to see what comes and goes there.
  if (::mount(trees.c_str(), trees.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
      ::mount(nullptr, trees.c_str(), nullptr, MS_PRIVATE, nullptr) == 0)
    return ok();
  return errno_error(errno, fmt::format("{} cannot be mounted", trees));
}

void close_trees(const WorkerPaths& paths) {
  auto trees = paths.trees();
  while (is_mount(trees))
    if (::umount2(trees.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
      return log::warning("cache", "{}",
                          to_string(errno_error(errno, trees + " cannot be unmounted")));
}

Result<void> make_data_root(const WorkerContext& context, const JobOrder& order,
                            const HeldData& data, uint32_t slot) {
  const auto& paths = context.paths;
  const auto& [denied, no_overlay] = context.mounts;
  TROUPE_TRY(make_dirs(paths.data(slot), 0755));
  for (size_t i = 0; i < order.data.size(); ++i) {
    const auto& one = order.data[i];
    auto target = target_of(paths, slot, one);
    if (one.writable && no_overlay)
      return Error{Errc::invalid,
                   fmt::format("{} cannot be writable on {}", one.mount, context.name),
                   no_overlay->detail,
                   "leave out `writable`, or use a node where troupe doctor finds overlays"};
    if (!has_own(context)) {
      TROUPE_TRY(make_link(target, data.trees[i].path));
      continue;
    }
    TROUPE_TRY(make_dirs(target, 0755));
    if (!one.writable) continue;
    auto overlay = overlay_of(paths, slot, one);
    TROUPE_TRY(make_dirs(overlay + "/upper", 0755));
    TROUPE_TRY(make_dirs(overlay + "/work", 0755));
  }
  return ok();
}

void add_mounts(const WorkerContext& context, const JobOrder& order, const HeldData& data,
                uint32_t slot, process::RunRequest& request) {
  if (!has_own(context)) return;
  request.hidden = context.paths.trees();
  for (size_t i = 0; i < order.data.size(); ++i) {
    const auto& one = order.data[i];
    process::RunMount mount{data.trees[i].path, target_of(context.paths, slot, one), "", ""};
    if (one.writable) {
      auto overlay = overlay_of(context.paths, slot, one);
      mount.upper = overlay + "/upper";
      mount.work = overlay + "/work";
    }
    request.mounts.push_back(std::move(mount));
  }
}

std::vector<MountShown> shown_mounts(const WorkerContext& context, const JobOrder& order,
                                     const HeldData& data) {
  std::vector<MountShown> shown;
  for (size_t i = 0; i < order.data.size(); ++i)
    shown.push_back({order.data[i].mount, std::string{to_string(data.trees[i].method)},
                     has_own(context) ? "private" : "link", order.data[i].writable});
  return shown;
}

}  // namespace troupe::actors
