// Fills one version on this node: blocks in, in any order, verified; at the end a sealed file that
// is never written again. Until seal() has returned nothing of it is visible as a version.
//
// Whatever breaks a fill (kill -9, a power cut, a full disk), the next begin() goes on behind the
// last synced point, after hashing again what it finds there. One process fills a version at a
// time.
#pragma once

#include "runtime/core/fd.hpp"
#include "storage/dataset/manifest.hpp"
#include "storage/dataset/sealed_layout.hpp"

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

/// A payload that has the digest the manifest says. Made on any thread; hashing is the costly part
/// of a fill. `payload` is not copied.
class VerifiedBlock {
 public:
  /// corrupt where the bytes are others than the manifest's.
  static Result<VerifiedBlock> check(const Manifest& manifest, uint32_t block,
                                     std::string_view payload);
  uint32_t block() const { return block_; }
  std::string_view payload() const { return payload_; }

 private:
  VerifiedBlock(uint32_t block, std::string_view payload) : block_{block}, payload_{payload} {}
  uint32_t block_;
  std::string_view payload_;
};

struct FillOptions {
  /// Between two points from which a broken fill goes on. As much is in memory at a time.
  uint64_t commit_bytes = 32ull << 20;
};

/// At most so many bytes will a version have on the disk.
uint64_t sealed_bytes_max(const Manifest& manifest, const FillOptions& options = {});

class SealedWriter {
 public:
  /// `dir` holds the versions of this node and must exist. exhausted with the bytes needed and free
  /// where the disk is too small; conflict where it is sealed already or another process fills it.
  static Result<std::unique_ptr<SealedWriter>> begin(const std::string& dir,
                                                     std::shared_ptr<const Manifest> manifest,
                                                     FillOptions options = {});
  /// What is not sealed stays for the next begin().
  ~SealedWriter();
  SealedWriter(const SealedWriter&) = delete;
  SealedWriter& operator=(const SealedWriter&) = delete;

  const Manifest& manifest() const { return *manifest_; }
  /// Blocks that have not come yet, in the order of the manifest: files come whole.
  std::vector<uint32_t> missing() const;
  uint64_t bytes_there() const {
    std::lock_guard lock{mutex_};
    return bytes_there_;
  }

  /// A block that is there already is left alone. Any number of threads at a time.
  /// After an error only a new begin() goes on.
  Result<void> put(const VerifiedBlock& block);
  /// Everything has come: makes the version visible, durably. Ends this writer; the folder.
  Result<SealedPaths> seal();

  /// Removes what is left of a fill that nobody goes on with.
  static Result<void> discard(const std::string& dir, const ContentId& version);

 private:
  SealedWriter(std::string dir, std::shared_ptr<const Manifest> manifest, FillOptions options);
  Result<void> lock_folder();
  Result<void> sweep() const;
  Result<void> check_space() const;
  Result<void> roll_back();
  Result<void> open();
  Result<void> find_blocks();
  Result<char*> reserve(const VerifiedBlock& block);
  Result<void> begin_commit();
  Result<void> commit();
  Result<void> wait_for_sync();
  Result<void> close_blocks();
  Result<void> write_image(uint64_t blocks_file_bytes) const;
  Result<void> write_seal() const;

  struct Environment;
  const std::string dir_;
  const std::shared_ptr<const Manifest> manifest_;
  const FillOptions options_;
  const ContentId version_;
  const SealedPaths paths_;
  UniqueFd folder_;  // locked
  UniqueFd synced_;  // the number of the commit that was synced last, written in place
  std::unique_ptr<Environment> environment_;
  mutable std::mutex mutex_;  // over all below; taken before copies_
  std::shared_mutex copies_;  // held by those who copy into the open transaction
  std::vector<bool> has_;
  uint64_t bytes_there_ = 0, next_arrival_ = 1, uncommitted_ = 0;
  std::future<Result<void>> sync_;
  bool broken_ = false;  // a commit failed: what was put since the last synced point is lost
};

/// Brings the missing blocks with so many threads: each fetches, hashes and stores.
/// `fetch` fills `to` with the payload of a block; it is called from several threads. The first
/// error ends it, with one exception: what came for a block has another digest, and `refused` says
/// that it can be had elsewhere.
using FetchBlock = std::function<Result<void>(uint32_t block, char* to)>;
using RefusedBlock = std::function<bool(uint32_t block)>;
Result<void> fill(SealedWriter& writer, const FetchBlock& fetch, unsigned threads = 2,
                  const RefusedBlock& refused = nullptr);

/// What fsck says of a sealed version.
struct SealedCheck {
  std::vector<uint32_t> damaged;    // blocks whose bytes are not the manifest's, or that are gone
  std::vector<std::string> paths;   // files (and tables' files) that lie in them
  std::vector<std::string> others;  // what else is wrong, a sentence each
  bool good() const { return damaged.empty() && others.empty(); }
};
/// Reads and hashes everything, trusting none of it but the manifest, whose digest is the name of
/// the folder.
Result<SealedCheck> check_sealed(const std::string& folder);

}  // namespace troupe::dataset
