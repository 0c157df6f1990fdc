#include "actors/worker/checkpoint_look.hpp"

#include "runtime/core/checkpoint.hpp"
#include "runtime/core/log.hpp"

#include <algorithm>
#include <chrono>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

namespace troupe::actors {

namespace {

// The kernel stamps files with the time of its last tick: two changes in one look alike.
constexpr int64_t stamp_ns = 20'000'000;
// For the same reason what was made right behind the start can look as if it was before.
constexpr int64_t start_slack_us = 10'000;

int64_t nanos(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

bool is_file_or_folder(const struct stat& info) {
  return S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
}

}  // namespace

bool CheckpointLook::look() {
  struct stat info {};
  if (::stat(folder_.c_str(), &info) != 0) return false;
  auto changed_ns = nanos(info.st_mtim);
  if (looked_ns_ == changed_ns) return false;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  looked_ns_.reset();
  if (nanos(now) - changed_ns > stamp_ns) looked_ns_ = changed_ns;
  std::unique_ptr<DIR, CloseDir> dir{::opendir(folder_.c_str())};
  if (!dir) return false;
  std::vector<CheckpointSeen> found;
  while (const auto* entry = ::readdir(dir.get())) {
    std::string name = entry->d_name;
    if (!is_checkpoint_name(name) ||
        ::fstatat(::dirfd(dir.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !is_file_or_folder(info))
      continue;
    // A rename leaves the time of what is renamed as it is, and tells by the other one.
    auto placed_us = std::max(nanos(info.st_mtim), nanos(info.st_ctim)) / 1000;
    if (placed_us + start_slack_us < placed_from_us_) continue;
    found.push_back({std::move(name), nanos(info.st_mtim) / 1000});
  }
  std::sort(found.begin(), found.end(), [](const CheckpointSeen& a, const CheckpointSeen& b) {
    return std::tie(a.made_us, a.name) < std::tie(b.made_us, b.name);
  });
  if (found.size() > most)
    found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(most));
  auto same = [](const CheckpointSeen& a, const CheckpointSeen& b) {
    return a.made_us == b.made_us && a.name == b.name;
  };
  if (std::equal(found.begin(), found.end(), seen_.begin(), seen_.end(), same)) return false;
  seen_ = std::move(found);
  return true;
}

std::optional<int64_t> made_us(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !is_file_or_folder(info)) return std::nullopt;
  return nanos(info.st_mtim) / 1000;
}

bool is_there(const std::string& folder, const CheckpointSeen& checkpoint) {
  return is_checkpoint_name(checkpoint.name) && checkpoint.name.find('/') == std::string::npos &&
         made_us(folder + "/" + checkpoint.name) == checkpoint.made_us;
}

std::optional<size_t> choose_resume(JobOrder& order, const std::vector<ResumeChoice>& choices,
                                    size_t first, const std::string& folder) {
  std::erase_if(order.data, [](const DataOrder& data) { return data.mount == resume_mount; });
  order.resume.clear();
  order.resume_path.clear();
  for (auto i = first; i < choices.size(); ++i) {
    const auto& choice = choices[i];
    if (is_there(folder, choice.checkpoint))
      order.resume_path = folder + "/" + choice.checkpoint.name;
    else if (!choice.digest.empty())
      order.data.push_back({resume_mount, choice.source, choice.digest, false});
    else
      continue;
    order.resume.push_back(choice);
    return i;
  }
  return std::nullopt;
}

std::string resume_path(const JobOrder& order, const std::string& data_root) {
  if (order.resume.empty()) return {};
  if (!order.resume_path.empty()) return order.resume_path;
  return data_root + "/" + resume_mount + "/" + order.resume.front().checkpoint.name;
}

void drop_checkpoints(const WorkerPaths& paths, const CheckpointDrop& drop) {
  namespace fs = std::filesystem;
  auto folder = paths.checkpoints(drop.experiment);
  for (const auto& one : drop.gone) {
    if (!is_there(folder, one)) continue;
    // Half removed it would be a checkpoint that lacks files.
    auto hidden = folder + "/.removed-" + one.name;
    std::error_code code;
    fs::remove_all(hidden, code);
    if (!code) fs::rename(folder + "/" + one.name, hidden, code);
    if (!code) fs::remove_all(hidden, code);
    if (code)
      log::warning("worker", "checkpoint {} of {} could not be removed: {}", one.name,
                   to_string(drop.experiment), code.message());
  }
}

}  // namespace troupe::actors
