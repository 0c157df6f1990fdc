#include "runtime/core/file_threads.hpp"

namespace troupe {

FileThreads::FileThreads(size_t threads, size_t waiting_max) : waiting_max_{waiting_max} {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

FileThreads::~FileThreads() {
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
  }
  came_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool FileThreads::post(std::function<void()> closure) {
  {
    std::lock_guard guard{mutex_};
    if (ending_ || waiting_.size() >= waiting_max_) return false;
    waiting_.push_back(std::move(closure));
  }
  came_.notify_one();
  return true;
}

void FileThreads::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    came_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    auto closure = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    closure();
    closure = nullptr;  // what it holds ends here, not under the lock
    lock.lock();
  }
}

}  // namespace troupe
