// Whether a sealed version is what it was when all of its bytes were last hashed, as far as a look
// at its files tells: a write leaves its time, whatever it changed. What a disk forgets by itself
// is found by check_sealed alone. Synchronous; any thread.
#pragma once

#include "runtime/core/result.hpp"
#include "storage/dataset/sealed_layout.hpp"

namespace troupe::dataset {

/// False also where it was never noted.
bool is_as_verified(const SealedPaths& paths);
/// Some are not: nobody takes them for good until all were hashed again.
Result<void> forget_verified(const SealedPaths& paths);
/// Just now all of its bytes were good.
Result<void> note_verified(const SealedPaths& paths);

}  // namespace troupe::dataset
