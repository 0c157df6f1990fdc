#include "storage/check_blobs.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

namespace troupe::storage {

Result<BlobsChecked> check_blobs(const BlobStore& store, const std::atomic<bool>& stop,
                                 unsigned threads) {
  std::vector<std::pair<std::string, uint64_t>> all;
  TROUPE_TRY(store.visit([&](const std::string& digest, uint64_t bytes, FileTime) {
    all.emplace_back(digest, bytes);
  }));
  BlobsChecked checked;
  std::mutex mutex;
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t at = next++; at < all.size() && !stop; at = next++) {
      const auto& [digest, bytes] = all[at];
      auto good = store.check(digest);
      if (!good && good.error().code == Errc::not_found) continue;
      std::lock_guard guard{mutex};
      ++checked.count;
      checked.bytes += bytes;
      if (!good) checked.damage.push_back({digest, good.error().detail});
    }
  };
  std::vector<std::thread> workers;
  auto useful = std::min<size_t>({threads, std::max(1u, std::thread::hardware_concurrency()),
                                  std::max<size_t>(1, all.size())});
  for (size_t i = 1; i < useful; ++i) workers.emplace_back(work);
  work();
  for (auto& worker : workers) worker.join();
  if (stop)
    return Error{Errc::unavailable, "the check was not finished", "the head is being stopped",
                 "ask again when it is back"};
  std::sort(checked.damage.begin(), checked.damage.end(),
            [](const auto& a, const auto& b) { return a.digest < b.digest; });
  return checked;
}

}  // namespace troupe::storage
