#include "actors/worker/trash.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::actors {

Trash::Trash(std::string dir) : dir_{std::move(dir)} {
  std::error_code code;
  // What a worker before left; its names may not be taken again before they are gone.
  for (std::filesystem::directory_iterator it{dir_, code}, end; !code && it != end;
       it.increment(code))
    waiting_.push_back(it->path().string());
  next_ = static_cast<uint64_t>(::getpid()) << 32;
  if (!waiting_.empty()) thread_ = std::thread{[this] { work(); }};
}

Trash::~Trash() {
  {
    std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<void> Trash::discard(const std::string& path) {
  std::string target;
  while (true) {
    target = fmt::format("{}/{}", dir_, next_++);
    // No flag would save an existing file: the kernel replaces files, and folders that are empty.
    struct stat info {};
    if (::lstat(target.c_str(), &info) == 0) continue;
    if (::rename(path.c_str(), target.c_str()) == 0) break;
    auto number = errno;
    if (::lstat(path.c_str(), &info) != 0) return ok();
    if (number == ENOENT) {
      TROUPE_TRY(make_dirs(dir_, 0700));
    } else if (number == EACCES && S_ISDIR(info.st_mode) && (info.st_mode & 0200) == 0) {
      ::chmod(path.c_str(), 0700);  // a folder that may not be written may not be moved either
    } else {
      return errno_error(number, fmt::format("{} could not be put away", path));
    }
  }
  std::lock_guard lock{mutex_};
  waiting_.push_back(std::move(target));
  if (thread_.joinable())
    changed_.notify_one();
  else
    thread_ = std::thread{[this] { work(); }};
  return ok();
}

void Trash::work() {
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    auto path = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    remove(path);
    lock.lock();
  }
}

bool Trash::stopping() {
  std::lock_guard lock{mutex_};
  return stopping_;
}

/// Leaves what cannot be removed; the next start tries again.
void Trash::remove(const std::string& path) {
  std::string name = path;
  char* roots[] = {name.data(), nullptr};
  auto* walk = ::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, nullptr);
  if (walk == nullptr) return;
  while (auto* entry = ::fts_read(walk)) {
    if (stopping()) break;
    switch (entry->fts_info) {
      case FTS_D:
        // Read-only folders are an ordinary thing to leave behind: package caches are made of them.
        if ((entry->fts_statp->st_mode & 0700) != 0700) ::chmod(entry->fts_accpath, 0700);
        break;
      case FTS_DP:
      case FTS_DNR:
        ::rmdir(entry->fts_accpath);
        break;
      default:
        ::unlink(entry->fts_accpath);
    }
  }
  ::fts_close(walk);
}

}  // namespace troupe::actors
