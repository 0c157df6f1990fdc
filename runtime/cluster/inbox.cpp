#include "runtime/cluster/inbox.hpp"

namespace troupe::cluster {

bool Inbox::post(std::function<void()> closure) {
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> wake;
  {
    std::lock_guard guard{mutex_};
    if (closed_ || queue_.size() >= limit_) return false;
    queue_.push_back(std::move(closure));
    wake = kj::mv(waker_);
  }
  if (wake.get() != nullptr) wake->fulfill();
  return true;
}

kj::Promise<void> Inbox::run() {
  auto paf = kj::newPromiseAndCrossThreadFulfiller<void>();
  std::deque<std::function<void()>> work;
  {
    std::lock_guard guard{mutex_};
    work.swap(queue_);
    if (work.empty()) waker_ = kj::mv(paf.fulfiller);
  }
  if (work.empty()) return paf.promise.then([this] { return run(); });
  for (auto& closure : work) closure();
  return kj::evalLater([this] { return run(); });
}

void Inbox::close() {
  std::deque<std::function<void()>> work;
  {
    std::lock_guard guard{mutex_};
    closed_ = true;
    work.swap(queue_);
  }
  for (auto& closure : work) closure();
}

}  // namespace troupe::cluster
