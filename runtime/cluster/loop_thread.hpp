// A loop on a thread of its own, which is there or says why not before anybody goes on. Internal to
// runtime/cluster.
#pragma once

#include "runtime/core/result.hpp"

#include <future>
#include <thread>

namespace troupe::cluster {

/// `loop.thread` runs `loop.run(promise)`, which keeps the promise as soon as it serves or knows
/// that it never will. On an error the thread has ended.
template <class Loop>
Result<void> start_thread(Loop& loop) {
  std::promise<Result<void>> promise;
  auto started = promise.get_future();
  loop.thread = std::thread{[&loop, &promise] { loop.run(promise); }};
  auto good = started.get();
  if (!good) loop.thread.join();
  return good;
}

}  // namespace troupe::cluster
