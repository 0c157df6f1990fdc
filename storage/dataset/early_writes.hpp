// Keeps the disk at work while pages are still being copied to the page cache. Scoped; a thread of
// its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <fcntl.h>
#include <mutex>
#include <thread>

namespace troupe::dataset {

/// As long as it lives the kernel writes out what of the file is in the page cache. Around a
/// commit: else the disk would do nothing in that time, a third of a fill.
class EarlyWrites {
 public:
  explicit EarlyWrites(int fd)
      : thread_{[this, fd] {
          std::unique_lock lock{mutex_};
          while (!done_.wait_for(lock, pause, [this] { return over_; }))
            ::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        }} {}
  ~EarlyWrites() {
    {
      std::lock_guard lock{mutex_};
      over_ = true;
    }
    done_.notify_one();
    thread_.join();
  }
  EarlyWrites(const EarlyWrites&) = delete;
  EarlyWrites& operator=(const EarlyWrites&) = delete;

 private:
  static constexpr std::chrono::milliseconds pause{10};  // some 20 MB are copied meanwhile
  std::mutex mutex_;
  std::condition_variable done_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace troupe::dataset
