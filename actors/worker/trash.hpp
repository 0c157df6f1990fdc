// What jobs leave behind and nobody wants: moved aside in one step, removed by a thread of its own,
// so that a million files in a scratch folder keep no job waiting. What is left when the worker
// stops goes when it is next started.
#pragma once

#include "runtime/core/result.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace troupe::actors {

class Trash {
 public:
  /// `dir` is made if need be, and must lie on the file system of what is discarded.
  explicit Trash(std::string dir);
  ~Trash();
  Trash(const Trash&) = delete;
  Trash& operator=(const Trash&) = delete;

  /// After it, nothing is at `path`, a file or a folder. Nothing there: no error.
  Result<void> discard(const std::string& path);

 private:
  void work();
  void remove(const std::string& path);
  bool stopping();

  std::string dir_;
  uint64_t next_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace troupe::actors
