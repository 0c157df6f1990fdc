// The way from actors to a KJ thread: any thread posts and never blocks; closures run on the
// KJ thread in order.
#pragma once

#include <kj/async.h>

#include <deque>
#include <functional>
#include <mutex>

namespace troupe::cluster {

class Inbox {
 public:
  explicit Inbox(size_t limit) : limit_{limit} {}

  /// False where it is full or closed: the caller drops, or asks again.
  bool post(std::function<void()> closure);
  /// On the KJ thread, once; keep the promise for as long as closures shall run.
  kj::Promise<void> run();
  /// On the KJ thread, when it ends: runs what is left, and takes nothing more.
  void close();

 private:
  const size_t limit_;
  std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
  bool closed_ = false;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> waker_;
};

}  // namespace troupe::cluster
