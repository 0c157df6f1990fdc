// Bulk: what is too large for messages between actors. One side asks, the other answers with a
// stream of bytes and a word behind the last of them. Here is what both sides of it look like,
// wherever the other one is; bulk_server and bulk_client take it over the network, LocalBulk does
// without one.
#pragma once

#include "runtime/core/file_threads.hpp"
#include "runtime/core/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe::cluster {

/// No piece of an answer is larger; a stream holds two of them at most on either side.
inline constexpr size_t bulk_piece_bytes = 256u << 10;

struct BulkRequest {
  std::string what;  // "log", "outputs", ...: who answers knows the words
  std::string of;    // an id or a digest
  std::string path;
  uint64_t offset = 0;
  uint64_t limit = 0;

  bool operator==(const BulkRequest&) const = default;
};

/// Said behind the last byte; what it means is the word's own.
struct BulkEnd {
  uint64_t next = 0;
  uint64_t size = 0;
  bool complete = true;

  bool operator==(const BulkEnd&) const = default;
};

/// The bytes of one answer. Used on file threads, by one at a time.
class BulkSource {
 public:
  virtual ~BulkSource() = default;
  /// At most bulk_piece_bytes; empty: there are no more.
  virtual Result<std::string> next() = 0;
  virtual BulkEnd end() = 0;
};

/// Finds what is asked for. Blocks: called on a file thread. `peer` is the name that was proved.
using BulkOpen = std::function<Result<std::unique_ptr<BulkSource>>(const std::string& peer,
                                                                   const BulkRequest& request)>;

struct BulkAnswer {
  std::string bytes;  // empty where they were taken
  BulkEnd end;
};

struct BulkQuestion {
  BulkRequest request;
  /// Gets each piece in order, on a file thread, and may block: as long as it does, nothing more is
  /// read. It is who checks digests. An error ends the stream. Absent: all is gathered.
  std::function<Result<void>(std::string piece)> take = nullptr;
  bool take_is_quick = false;               // it never blocks: it is called where pieces come in
  uint64_t bytes_max = 16u << 20;           // that are gathered; more is an error
  std::chrono::milliseconds limit{30'000};  // for all of it
  /// Once, on any thread; must not block.
  std::function<void(Result<BulkAnswer>)> done;
};

/// The way to one peer.
class BulkPort {
 public:
  virtual ~BulkPort() = default;
  /// Any thread; never blocks.
  virtual void ask(BulkQuestion question) = 0;
  /// Asks and waits, on a thread that may; `done` is not called.
  virtual Result<BulkAnswer> ask_here(BulkQuestion question);
};

/// A peer of the same process: straight to its files.
class LocalBulk final : public BulkPort {
 public:
  LocalBulk(std::shared_ptr<FileThreads> threads, BulkOpen open)
      : threads_{std::move(threads)}, open_{std::move(open)} {}
  void ask(BulkQuestion question) override;

 private:
  std::shared_ptr<FileThreads> threads_;
  BulkOpen open_;
};

/// One more piece of what is gathered; exhausted where it is more than was asked for.
Result<void> gather(BulkAnswer& answer, const BulkQuestion& question, std::string_view piece);
Error bulk_too_busy(const BulkRequest& request);
Error bulk_too_slow(const BulkRequest& request);

}  // namespace troupe::cluster
