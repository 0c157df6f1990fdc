// Pieces of a stream on their way from the thread they come on to one that reads them as it goes.
// A few at most: whoever puts waits for whoever takes.
#pragma once

#include "runtime/core/result.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace troupe::actors {

class PieceQueue {
 public:
  static constexpr size_t pieces_max = 4;

  /// An error where nobody reads any more.
  Result<void> put(std::string piece) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return abandoned_ || pieces_.size() < pieces_max; });
    if (abandoned_)
      return Error{Errc::unavailable, "a stream was ended", "nobody reads it any more", ""};
    pieces_.push_back(std::move(piece));
    changed_.notify_all();
    return ok();
  }
  /// The last word: what is read behind the last piece is this, or the end.
  void finish(Result<void> how) {
    std::lock_guard guard{mutex_};
    finished_ = std::move(how);
    changed_.notify_all();
  }
  void abandon() {
    std::lock_guard guard{mutex_};
    abandoned_ = true;
    changed_.notify_all();
  }
  /// At most `bytes_max` of what comes next; empty at the end.
  Result<std::string> read(size_t bytes_max) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return finished_ || !pieces_.empty(); });
    if (pieces_.empty()) {
      if (!*finished_) return finished_->error();
      return std::string{};
    }
    auto& front = pieces_.front();
    auto bytes = front.substr(begun_, bytes_max);
    begun_ += bytes.size();
    if (begun_ == front.size()) {
      pieces_.pop_front();
      begun_ = 0;
      changed_.notify_all();
    }
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  size_t begun_ = 0;  // of the first
  std::optional<Result<void>> finished_;
  bool abandoned_ = false;
};

}  // namespace troupe::actors
