// The threads of a fill.
#include "storage/dataset/sealed_writer.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

namespace troupe::dataset {

Result<void> fill(SealedWriter& writer, const FetchBlock& fetch, unsigned threads,
                  const RefusedBlock& refused) {
  const auto& manifest = writer.manifest();
  auto missing = writer.missing();
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;  // over the error
  std::optional<Error> error;
  auto one = [&](uint32_t block, std::string& buffer) -> Result<void> {
    buffer.resize(manifest.blocks[block].bytes());
    for (;;) {
      TROUPE_TRY(fetch(block, buffer.data()));
      auto verified = VerifiedBlock::check(manifest, block, buffer);
      if (verified) return writer.put(*verified);
      if (!refused || !refused(block)) return std::move(verified).error();
    }
  };
  auto work = [&] {
    std::string buffer;
    while (!stop) {
      auto index = next.fetch_add(1);
      if (index >= missing.size()) return;
      if (auto done = one(missing[index], buffer); !done) {
        std::lock_guard lock{mutex};
        if (!error) error = std::move(done).error();
        stop = true;
      }
    }
  };
  auto count = std::clamp<size_t>(threads, 1, std::max<size_t>(missing.size(), 1));
  std::vector<std::thread> others;
  for (size_t i = 1; i < count; ++i) others.emplace_back(work);
  work();
  for (auto& thread : others) thread.join();
  if (error) return *error;
  return ok();
}

}  // namespace troupe::dataset
