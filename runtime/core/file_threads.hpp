// A few threads for what blocks on files, so that loops and actors never do. Closures run in the
// order in which they came, several at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe {

class FileThreads {
 public:
  /// The limits are those of a machine's disks, not of its cores: more at once is no faster.
  explicit FileThreads(size_t threads = 4, size_t waiting_max = 1000);
  /// Waits for those that run; those that wait are dropped.
  ~FileThreads();
  FileThreads(const FileThreads&) = delete;
  FileThreads& operator=(const FileThreads&) = delete;

  /// Any thread; never blocks. False where too many wait already.
  bool post(std::function<void()> closure);

 private:
  void run();

  const size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::function<void()>> waiting_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace troupe
